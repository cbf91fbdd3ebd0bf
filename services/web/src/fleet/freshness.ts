/** Since when figures of a source are not current. */
import { epoch } from '../lib/format';
import type { Source } from '../lib/protocol';

export interface Behind {
  /** Epoch milliseconds of the last sign of it; null: unknown. */
  at: number | null;
  why: string | null;
}

/** Null: figures of this source are current. `seen` is when its newest figure is of. */
export function behind(sources: readonly Source[], name: string, seen: number | null): Behind | null {
  const source = sources.find((each) => each.name === name);
  if (source === undefined || (source.status !== 'down' && source.stale === null)) return null;
  return { at: seen ?? epoch(source.since), why: source.stale ?? source.reason };
}
