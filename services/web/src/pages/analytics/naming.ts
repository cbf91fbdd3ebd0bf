/** What groups are called. */
import { analytics as words } from '$strings/analytics';
import type { Grouping } from '../../lib/protocol';
import { kindName } from '../../lib/reasons';

/** `kind` null: of several kinds, as the names that were too many have it. */
export function groupName(by: Grouping, group: string | null, kind: string | null = null): string {
  if (group === null) return words.group.none;
  if (by === 'kind') return kindName(group);
  return by === 'name' && group === 'other' && kind === null ? words.group.other : group;
}
