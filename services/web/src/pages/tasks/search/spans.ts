/** Stretches of seconds: `>30s` in the search field, `30s..` in the address. */

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)?/g;
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))*\d+(?:\.\d+)?(?:ms|s|m|h|d)?$/;

export interface Span {
  min: number | null;
  max: number | null;
}

/** `90`, `30s`, `1m30s`, `500ms` in seconds; null for anything else. */
export function seconds(text: string): number | null {
  if (!WHOLE.test(text)) return null;
  return [...text.matchAll(PART)].reduce(
    (sum, [, number = '0', unit = 's']) => sum + Number(number) * (UNITS[unit] ?? 1),
    0,
  );
}

/** `>30s`, `<5s`, `30s..2m` and what the address has, as the address has it; null for anything else. */
export function canonicalSpan(text: string): string | null {
  const [min, max] = ends(text.toLowerCase().replaceAll(/\s/g, ''));
  const span = spanOf(`${min}..${max}`);
  if (span === null || (span.min !== null && span.max !== null && span.min > span.max)) return null;
  return `${min}..${max}`;
}

function ends(text: string): [string, string] {
  const [, sign = '', rest = ''] = /^([<>]=?)?(.*)$/.exec(text) ?? [];
  if (sign.startsWith('>')) return [rest, ''];
  if (sign.startsWith('<')) return ['', rest];
  const [min = '', max, ...more] = text.split('..');
  return max === undefined || more.length > 0 ? ['', ''] : [min, max];
}

/** What `30s..2m` says; null when it says nothing. */
export function spanOf(text: string): Span | null {
  const [min = '', max = ''] = text.split('..');
  const [low, high] = [seconds(min), seconds(max)];
  if ((min !== '' && low === null) || (max !== '' && high === null)) return null;
  return low === null && high === null ? null : { min: low, max: high };
}

/** As the search field shows it. */
export function spanText(text: string): string {
  const [min = '', max] = text.split('..');
  if (max === undefined) return text;
  if (max === '') return `>${min}`;
  return min === '' ? `<${max}` : text;
}
