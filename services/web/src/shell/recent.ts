/** Views that were looked at lately, in this browser, each person's own. */

const KEY = 'taskscope.recent';
const MOST = 6;

interface Kept {
  seer: string;
  views: string[];
}

/** Addresses (`#tasks?q=…`), the newest first. */
export function recentViews(seer: string): readonly string[] {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? 'null') as Kept | null;
    return kept?.seer === seer ? kept.views : [];
  } catch {
    return [];
  }
}

/** What another person looked at is forgotten. */
export function remember(seer: string, view: string): void {
  const views = [view, ...recentViews(seer).filter((other) => other !== view)].slice(0, MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify({ seer, views } satisfies Kept));
  } catch {
    // Storage is forbidden: nothing is remembered.
  }
}
