/** What the command palette finds: items, and the best of them for what was typed. */
import { palette as words } from '$strings/palette';
import type { IconName } from '../components/icons';
import { fuzzy } from './fuzzy';

export type Group = keyof typeof words.groups;

export interface Item {
  /** Unique among all. */
  id: string;
  group: Group;
  text: string;
  /** What tells it from others of the same name. */
  hint?: string | undefined;
  icon: IconName;
  /** Where it leads; else `run` does it. */
  href?: string;
  run?: () => void;
}

export interface Found {
  item: Item;
  at: readonly number[];
}

export interface FoundGroup {
  group: Group;
  items: readonly Found[];
}

/** What is shown of a group, at most. */
const MOST = 6;
/** While nothing is typed. */
const AT_FIRST: readonly Group[] = ['recent', 'page', 'command'];
const AT_FIRST_MOST = 7;

/** The group with the best item first; within a group the best first. */
export function find(items: readonly Item[], typed: string): FoundGroup[] {
  if (typed.trim() === '')
    return grouped(items.filter((item) => AT_FIRST.includes(item.group)).map(plain), AT_FIRST_MOST);
  const found = items
    .map((item) => ({ item, match: fuzzy(typed, item.text) }))
    .filter((one): one is { item: Item; match: NonNullable<typeof one.match> } => one.match !== null)
    .sort((a, b) => rank(b) - rank(a))
    .map(({ item, match }) => ({ item, at: match.at }));
  return grouped(found, MOST);
}

/** There are hundreds of time zones: other things come first. */
const ZONES_LATER = 16;

function rank({ item, match }: { item: Item; match: { score: number } }): number {
  return match.score - (item.group === 'zone' ? ZONES_LATER : 0);
}

function plain(item: Item): Found {
  return { item, at: [] };
}

function grouped(found: readonly Found[], most: number): FoundGroup[] {
  const groups = new Map<Group, Found[]>();
  for (const one of found) groups.set(one.item.group, [...(groups.get(one.item.group) ?? []), one]);
  return [...groups].map(([group, items]) => ({ group, items: items.slice(0, most) }));
}

/** Whether this may be the id of a task: one word with a digit in it, as long as the shortest that queues make. */
export function mayBeId(typed: string): boolean {
  return /^\S{8,}$/.test(typed) && /\d/.test(typed) && !/^[a-z_]+:/.test(typed);
}
