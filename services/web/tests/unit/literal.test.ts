import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isCut, isRedacted, pretty } from '../../src/task/literal';

const LONG = 'a'.repeat(40);

describe('a literal', () => {
  test('that is short stays on its line', () => {
    expect(pretty("('council-00001', 12.3)")).toBe("('council-00001', 12.3)");
  });

  test('that is long has a line for each part', () => {
    expect(pretty(`({'name': '${LONG}', 'more': [1, 2]}, '${LONG}')`)).toBe(
      `(\n  {'name': '${LONG}', 'more': [1, 2]},\n  '${LONG}'\n)`,
    );
  });

  test('may be JSON', () => {
    expect(pretty(`{"a": "${LONG}", "b": {"c": "${LONG}", "d": null}}`)).toBe(
      `{\n  "a": "${LONG}",\n  "b": {"c": "${LONG}", "d": null}\n}`,
    );
  });

  test('keeps brackets, commas and quotes that stand in strings', () => {
    const text = `['a, (b', "it's ]", 'don\\'t', '${LONG}', '${LONG}']`;
    expect(pretty(text).split('\n')).toEqual([
      '[',
      "  'a, (b',",
      '  "it\'s ]",',
      "  'don\\'t',",
      `  '${LONG}',`,
      `  '${LONG}'`,
      ']',
    ]);
  });

  test('may hold what looks like calls', () => {
    expect(pretty(`(datetime.datetime(2026, 1, 1, 0, 0), Decimal('1.5'), '${LONG}', '${LONG}')`)).toContain(
      '\n  datetime.datetime(2026, 1, 1, 0, 0),\n',
    );
  });

  test('keeps the comma of a tuple of one', () => {
    expect(pretty(`(('a',), '${LONG}', '${LONG}')`)).toContain("  ('a',),\n");
  });

  test('that was cut is laid out as far as it goes', () => {
    expect(pretty(`({'a': '${LONG}', 'b': '${LONG}', 'c': …`)).toBe(
      `(\n  {\n    'a': '${LONG}',\n    'b': '${LONG}',\n    'c': …`,
    );
  });

  test.each([`(${LONG}, ${LONG}]`, `${LONG}) ${LONG} (`, `<Thing at 0x7f (${LONG}, ${LONG}], 3>`])(
    'that cannot be understood stays as it is: %s',
    (text) => {
      expect(pretty(text)).toBe(text);
    },
  );

  test('says the same, whatever it is', () => {
    const bare = (text: string): string => text.replaceAll(/[\s,]/g, '');
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 300 }), fc.json({ maxDepth: 4 })), (text) => {
        expect(bare(pretty(text))).toBe(bare(text));
      }),
    );
  });
});

test('a cut or redacted text is known by its marks', () => {
  expect([isCut("['a', …"), isCut("['a']"), isRedacted("{'password': ***}"), isRedacted('{}')]).toEqual([
    true,
    false,
    true,
    false,
  ]);
});
