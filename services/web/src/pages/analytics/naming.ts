/** What groups are called. */
import { analytics as words } from '$strings/analytics';
import { splitPath } from '../../lib/format';
import type { Grouping } from '../../lib/protocol';
import { kindName } from '../../lib/reasons';

/** `kind` null: of several kinds, as the names that were too many have it. */
export function groupName(by: Grouping, group: string | null, kind: string | null = null): string {
  if (group === null) return words.group.none;
  if (by === 'kind') return kindName(group);
  return by === 'name' && group === 'other' && kind === null ? words.group.other : group;
}

/** Full name → the last part of it where that tells it from the others. */
export function shortNames(names: readonly string[]): Map<string, string> {
  const last = names.map((name) => splitPath(name)[1]);
  const once = (part: string): boolean => last.indexOf(part) === last.lastIndexOf(part);
  return new Map(names.map((name, at) => [name, once(last[at] ?? '') ? (last[at] ?? name) : name]));
}
