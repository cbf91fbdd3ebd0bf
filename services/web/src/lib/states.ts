import type { Group, State } from './protocol';

interface Look {
  label: string;
  group: Group;
  /** One plain sentence, for titles. */
  says: string;
}

export const STATES: Record<State, Look> = {
  running: { label: 'Running', group: 'active', says: 'A worker executes it now' },
  reserved: { label: 'Reserved', group: 'reserved', says: 'A worker has fetched it and not begun' },
  queued: { label: 'Queued', group: 'queued', says: 'Waits in its queue' },
  scheduled: { label: 'Scheduled', group: 'queued', says: 'Waits for its time' },
  deferred: { label: 'Deferred', group: 'queued', says: 'Waits for other tasks' },
  retrying: { label: 'Retrying', group: 'queued', says: 'Ended without success and comes again' },
  succeeded: { label: 'Succeeded', group: 'finished', says: 'Ended with a result' },
  failed: { label: 'Failed', group: 'finished', says: 'Ended with an exception' },
  revoked: { label: 'Revoked', group: 'finished', says: 'Was cancelled' },
  rejected: { label: 'Rejected', group: 'finished', says: 'The worker refused it for good' },
  lost: { label: 'Lost', group: 'finished', says: 'Its worker went away before it ended' },
};

export const ALL_STATES = Object.keys(STATES) as State[];

export function isState(text: string): text is State {
  return Object.hasOwn(STATES, text);
}

/** A state chip: `queued` stands for the whole group, as the card does. */
export interface Chip {
  id: string;
  label: string;
  states: State[];
  look: State;
  count: 'active' | 'reserved' | 'queued' | State;
}

export const CHIPS: Chip[] = [
  { id: 'running', label: 'Running', states: ['running'], look: 'running', count: 'active' },
  { id: 'reserved', label: 'Reserved', states: ['reserved'], look: 'reserved', count: 'reserved' },
  {
    id: 'queued',
    label: 'Queued',
    states: ['queued', 'scheduled', 'deferred', 'retrying'],
    look: 'queued',
    count: 'queued',
  },
  ...(['scheduled', 'retrying', 'succeeded', 'failed', 'revoked', 'rejected', 'lost'] as const).map(
    (state): Chip => ({ id: state, label: STATES[state].label, states: [state], look: state, count: state }),
  ),
];

/** The states that the chosen chips stand for; empty means all. */
export function statesOf(chips: readonly string[]): State[] {
  const chosen = CHIPS.filter((chip) => chips.includes(chip.id)).flatMap((chip) => chip.states);
  return [...new Set(chosen)];
}
