export const chart = {
  none: '–',
  time: 'Time',
  asTable: 'As table',
  toggle: (label: string) => `Show ${label}`,
} as const;
