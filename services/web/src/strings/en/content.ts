import { plural } from '../plural';

/** Words of the parts that show texts and progress wherever they are: code, copying, progress. */
export const content = {
  copy: (label: string) => `Copy ${label}`,
  copied: 'Copied',
  copyForbidden: 'The browser forbids copying',
  all: (lines: number) => `Show all ${plural(lines, 'line', 'lines')}`,
  less: 'Show less',
  progress: 'Progress',
  noProgress: 'The task has not reported any progress',
  steps: (current: string, total: string) => `${current} / ${total}`,
} as const;
