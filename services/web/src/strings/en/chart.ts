export const chart = {
  none: '–',
} as const;
