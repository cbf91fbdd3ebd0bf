/**
 * Whether the letters of what was typed occur in a text in this order, and how well. Own code: of the libraries that do the
 * same the smaller one is 4 KB compressed, more than the palette itself.
 */

export interface Match {
  /** The larger, the better; comparable between texts for the same `typed`. */
  score: number;
  /** Which letters of the text were meant, ascending. */
  at: readonly number[];
}

const IN_A_ROW = 8;
const BEGINS_WORD = 4;
const BEGINS_TEXT = 4;
const SKIPPED = -0.3;

/** Null: it does not occur. An empty `typed` occurs everywhere. Words may stand in any order. */
export function fuzzy(typed: string, text: string): Match | null {
  const found = typed
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => best(word, text));
  if (found.some((one) => one === null)) return null;
  const matches = found.filter((one) => one !== null);
  const at = new Set(matches.flatMap((one) => one.at));
  return {
    score: matches.reduce((sum, one) => sum + one.score, 0) - text.length * 0.02,
    at: [...at].sort((a, b) => a - b),
  };
}

/** The best of the matches that begin at one of the places of the first letter. */
function best(word: string, text: string): Match | null {
  const low = text.toLowerCase();
  let found: Match | null = null;
  for (let from = low.indexOf(word.charAt(0)); from >= 0; from = low.indexOf(word.charAt(0), from + 1)) {
    const match = matchFrom(word, low, text, from);
    if (match !== null && (found === null || match.score > found.score)) found = match;
  }
  return found;
}

function matchFrom(word: string, low: string, text: string, from: number): Match | null {
  const at: number[] = [];
  let score = 0;
  let next = from;
  for (const letter of word) {
    const here = low.indexOf(letter, next);
    if (here < 0) return null;
    const row = at.length > 0 && here === next;
    score += (row ? IN_A_ROW : SKIPPED * (here - next)) + (beginsWord(text, here) ? BEGINS_WORD : 0);
    at.push(here);
    next = here + 1;
  }
  return { score: score + (from === 0 ? BEGINS_TEXT : 0), at };
}

function beginsWord(text: string, at: number): boolean {
  if (at === 0) return true;
  const [before, here] = [text.charAt(at - 1), text.charAt(at)];
  return /[^\p{L}\p{N}]/u.test(before) || (/\p{Ll}/u.test(before) && /\p{Lu}/u.test(here));
}

/** `text` in parts that were meant and parts that were not, for showing. */
export function parts(text: string, at: readonly number[]): { text: string; meant: boolean }[] {
  const meant = new Set(at);
  const found: { text: string; meant: boolean }[] = [];
  Array.from({ length: text.length }, (_, index) => text.charAt(index)).forEach((letter, index) => {
    const last = found.at(-1);
    if (last?.meant === meant.has(index)) last.text += letter;
    else found.push({ text: letter, meant: meant.has(index) });
  });
  return found;
}
