/**
 * What was typed into the page, over a way that loads it anew: to the company's provider and back, or through a proxy.
 * Passwords and tokens are never kept, and nobody but who typed it gets it back.
 */

const KEY = 'taskscope.kept';
/** Pages come in parts: a field is waited for so long. */
const PATIENCE_MS = 10_000;

interface Kept {
  seer: string;
  scroll: number;
  fields: Record<string, string>;
}

type Field = HTMLInputElement | HTMLTextAreaElement;

export function keep(seer: string): void {
  const fields: Record<string, string> = {};
  for (const field of document.querySelectorAll<Field>('input, textarea')) {
    const name = nameOf(field);
    if (name !== null && field.value !== '' && field.value !== field.defaultValue) fields[name] = field.value;
  }
  write({ seer, scroll: scrollY, fields });
}

/** Give back what `seer` typed, once; fields that appear later, too. @returns what ends the waiting. */
export function giveBack(seer: string): () => void {
  const kept = take();
  if (kept?.seer !== seer) return () => undefined;
  const fields = new Map(Object.entries(kept.fields));
  const look = (): void => {
    fill(fields);
    if (scrollY === 0 && kept.scroll > 0) scrollTo({ top: kept.scroll });
  };
  const observer = new MutationObserver(look);
  const timer = setTimeout(() => {
    observer.disconnect();
  }, PATIENCE_MS);
  look();
  observer.observe(document.body, { childList: true, subtree: true });
  return () => {
    clearTimeout(timer);
    observer.disconnect();
  };
}

function fill(fields: Map<string, string>): void {
  for (const field of document.querySelectorAll<Field>('input, textarea')) {
    const name = nameOf(field);
    const text = name === null ? undefined : fields.get(name);
    if (name === null || text === undefined) continue;
    fields.delete(name);
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
  }
}

/** `data-keep` names a field; else what it is called. Null: not to be kept. */
function nameOf(field: Field): string | null {
  if (field.closest('[data-keep="no"]') !== null) return null;
  if (field instanceof HTMLInputElement && !['text', 'search'].includes(field.type)) return null;
  const names = [field.dataset.keep, field.name, field.ariaLabel, field.placeholder];
  return names.find((name) => name != null && name !== '') ?? null;
}

function write(kept: Kept): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Storage is forbidden: the address still says where one was.
  }
}

function take(): Kept | null {
  try {
    const text = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    return text === null ? null : (JSON.parse(text) as Kept);
  } catch {
    return null;
  }
}
