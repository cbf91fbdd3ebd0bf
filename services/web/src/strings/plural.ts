/** Words that depend on a number. A language with more forms than two adds them here, for itself. */
const RULES = new Intl.PluralRules('en');
const NUMBER = new Intl.NumberFormat('en-US');

/** `plural(2, 'task', 'tasks')` → `2 tasks`. */
export function plural(value: number, one: string, other: string): string {
  return `${NUMBER.format(value)} ${RULES.select(value) === 'one' ? one : other}`;
}
