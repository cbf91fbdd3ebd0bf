export const realtime = {
  side: 'Workers, queues and sources',
  keys: {
    next: 'next task',
    previous: 'previous task',
    pause: 'pause or resume the table',
    newest: 'show the newest rows',
  },
} as const;
