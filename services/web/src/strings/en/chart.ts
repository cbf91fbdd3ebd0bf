export const chart = {
  none: '–',
  time: 'Time',
  young: (moment: string) => `nothing before ${moment}`,
  asTable: 'As table',
  toggle: (label: string) => `Show ${label}`,
} as const;
