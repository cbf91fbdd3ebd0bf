import type { Worker } from '../lib/protocol';

/** Lost and offline workers take no tasks; a silent one may. */
export function isThere({ state }: Pick<Worker, 'state'>): boolean {
  return state === 'online' || state === 'silent';
}
