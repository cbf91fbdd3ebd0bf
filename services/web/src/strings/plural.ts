/** Words that depend on a number. A language with more forms than two adds them here, for itself. */
const RULES = new Intl.PluralRules('en');

/** 1,234 or 0.125. By hand, since the first Intl.NumberFormat of a page takes 20 to 40 ms, and the first row has to wait for it. */
export function grouped(value: number): string {
  const [whole = '', ...part] = String(Number(value.toFixed(3))).split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...part].join('.');
}

/** `plural(2, 'task', 'tasks')` → `2 tasks`. */
export function plural(value: number, one: string, other: string): string {
  return `${grouped(value)} ${RULES.select(value) === 'one' ? one : other}`;
}
