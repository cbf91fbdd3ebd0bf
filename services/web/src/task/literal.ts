/** Python literals and JSON, as engines write them, laid out over lines. What cannot be read stays as it is. */

/** A line that is no longer stays one. */
const WIDTH = 72;
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** Text, or what stands between brackets: `dict(`, the parts between its commas, `)`. */
type Part = string | { open: string; close: string; items: Part[][] };

class Reader {
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  /** What stands up to a comma or a closing bracket, which are left. */
  item(): Part[] {
    const parts: Part[] = [];
    let plain = '';
    for (let char = this.#peek(); char !== '' && !',)]}'.includes(char); char = this.#peek()) {
      const close = CLOSING[char];
      if (close === undefined) plain += char === '"' || char === "'" ? this.#string() : this.#next();
      else {
        if (plain !== '') parts.push(plain);
        plain = '';
        parts.push(this.#bracket(close));
      }
    }
    return plain === '' ? parts : [...parts, plain];
  }

  #bracket(close: string): Part {
    const open = this.#next();
    const items: Part[][] = [];
    for (;;) {
      const item = this.item();
      const end = this.#peek();
      if (item.length > 0) items.push(item);
      if (end === close || end === '') return { open, close: this.#next(), items };
      if (end !== ',') throw new SyntaxError(end);
      this.#next();
    }
  }

  #string(): string {
    const begin = this.#at;
    const quote = this.#next();
    while (!this.done && this.#peek() !== quote) this.#at += this.#peek() === '\\' ? 2 : 1;
    this.#at += 1;
    return this.#text.slice(begin, this.#at);
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #next(): string {
    return this.#text.charAt(this.#at++);
  }
}

/** `text` over several lines where it is long and its brackets can be understood, whole or cut. */
export function pretty(text: string): string {
  const whole = text.trim();
  if (whole.length <= WIDTH || !/[([{]/.test(whole)) return text;
  try {
    const reader = new Reader(whole);
    const parts = reader.item();
    return reader.done ? layOut(parts, 0) : text;
  } catch {
    return text;
  }
}

/** Whether a text was cut where it was stored. */
export function isCut(text: string): boolean {
  return text.trimEnd().endsWith('…') || text.trimEnd().endsWith('...');
}

/** Whether values in it were hidden before they were stored. */
export function isRedacted(text: string): boolean {
  return text.includes('***');
}

function layOut(parts: readonly Part[], depth: number): string {
  const line = flat(parts);
  if (line.length + depth * 2 <= WIDTH) return line;
  return parts
    .map((part) => (typeof part === 'string' ? part : block(part, depth)))
    .join('')
    .trim();
}

function block({ open, close, items }: Exclude<Part, string>, depth: number): string {
  const pad = '  '.repeat(depth + 1);
  const lines = items.map((item) => `${pad}${layOut(trimmed(item), depth + 1)}`);
  return `${open}\n${lines.join(',\n')}${close === '' ? '' : `\n${'  '.repeat(depth)}${close}`}`;
}

function flat(parts: readonly Part[]): string {
  return parts
    .map((part) => (typeof part === 'string' ? part : flatBlock(part)))
    .join('')
    .trim();
}

/** A tuple of one keeps its comma. */
function flatBlock({ open, close, items }: Exclude<Part, string>): string {
  const comma = open === '(' && items.length === 1 && close !== '' ? ',' : '';
  return `${open}${items.map(flat).join(', ')}${comma}${close}`;
}

function trimmed(item: readonly Part[]): Part[] {
  return item.map((part, index) => (index === 0 && typeof part === 'string' ? part.trimStart() : part));
}
