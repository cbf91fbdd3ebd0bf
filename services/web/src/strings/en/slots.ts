/** How many slots of a worker are busy. */
export const slots = {
  busy: (active: string, concurrency: string) => `${active} of ${concurrency} slots busy`,
  unknown: 'unknown number',
} as const;
