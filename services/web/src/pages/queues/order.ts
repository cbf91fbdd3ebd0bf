/** What can be said of the order of waiting tasks. */
import { queue as one } from '$strings/queue';
import type { Lines } from '../../fleet/tasks';

/** Null: there is nothing to be said. */
export function noteOn(depth: number | null, { items, total }: Lines): string | null {
  const parts: string[] = [];
  if (items.length > 1)
    parts.push(items.some((task) => task.sent_at !== null) ? one.waitingOrder : one.waitingUnordered);
  // Both are counted at different moments: a few more or less say nothing.
  if (depth !== null && depth - total > Math.max(3, depth / 10)) parts.push(one.waitingFewer(total, depth));
  return parts.length === 0 ? null : parts.join(' ');
}
