import { plural } from '../plural';

/** Words that every page uses. */
export const common = {
  tooLate: 'No answer came in time.',
  unreachable: 'The api cannot be reached.',
  loading: 'Loading',
  retry: 'Try again',
  tryNow: 'Try now',
  close: 'Close',
  dismiss: 'Dismiss',
  all: 'All',
  unknown: (why: string) => `unknown: ${why}`,
  uncertain: (why: string) => `Not certain any more: ${why}`,
  uncertainMark: ', not certain',
  progress: 'Progress',
  notKnown: 'Not known (yet)',
  broken: {
    title: 'This could not be loaded',
    again: 'It is asked for again by itself.',
    older: (seen: string) => `What you see is as of ${seen}. The last try failed: `,
    wrong: 'The address asks for something that the api does not take.',
  },
  forbidden: {
    title: 'You may not see this',
    text: 'Your account has no right to it. Who runs Taskscope can give you one, or you sign in as somebody else.',
  },
  gone: { title: 'There is nothing here', text: 'It is not known (any more), or you may not see it.' },
  empty: { title: 'Nothing yet', text: 'It appears here by itself as soon as there is something.' },
  watched: {
    since: (moment: string) => `watched since ${moment}`,
    gaps: (count: number) =>
      `For ${plural(count, 'stretch', 'stretches')} of the window no collector watched: rates are of the rest.`,
  },
  sorted: { by: (label: string) => `Sort by ${label.toLowerCase()}` },
  trend: {
    same: 'as before',
    more: (share: string) => `${share} more`,
    less: (share: string) => `${share} less`,
    title: (before: string) => `Before: ${before}`,
  },
} as const;
