// What the design system (docs/design.md) asks of every component, read from their source.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, type AST } from 'svelte/compiler';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.svelte'))
  .sort();
const source = (file: string): string => readFileSync(SRC + file, 'utf8');

/** Attributes that people read or hear. */
const READ = ['aria-label', 'aria-roledescription', 'title', 'placeholder', 'alt', 'label', 'note', 'text'];
const LETTERS = /\p{L}{2}/u;

interface Node {
  type: string;
  [member: string]: unknown;
}

function* nodes(of: unknown): Generator<Node> {
  if (Array.isArray(of)) for (const one of of) yield* nodes(one);
  else if (typeof of === 'object' && of !== null) {
    if ('type' in of) yield of as Node;
    for (const [name, member] of Object.entries(of)) if (name !== 'parent') yield* nodes(member);
  }
}

function markup(file: string): AST.Fragment {
  return parse(source(file), { modern: true }).fragment;
}

/** Texts that stand in the markup itself, but for names of keys and of commands. */
function literals(of: unknown): string[] {
  if (Array.isArray(of)) return of.flatMap(literals);
  if (typeof of !== 'object' || of === null) return [];
  const node = of as Node;
  if (node.type === 'StyleDirective' || node.type === 'ClassDirective') return [];
  if (node.type === 'RegularElement' && ['code', 'kbd'].includes(node.name as string))
    return literals(node.attributes);
  if (node.type === 'Attribute' && !READ.includes(node.name as string)) return [];
  if (node.type === 'Text') return LETTERS.test(node.data as string) ? [node.data as string] : [];
  return Object.values(node).flatMap(literals);
}

test('there are components to look at', () => {
  expect(files.length).toBeGreaterThan(40);
});

/** Folders whose texts and colours are still to be moved. */
const NOT_YET = ['pages/realtime/', 'task/'];
const held = files.filter((file) => !NOT_YET.some((folder) => file.startsWith(folder)));

describe.each(held)('%s', (file) => {
  test('takes every text from the catalogue', () => {
    expect(literals(markup(file).nodes)).toEqual([]);
  });

  test('takes every colour from the tokens', () => {
    const style = /<style[^>]*>([\s\S]*)<\/style>/.exec(source(file))?.[1] ?? '';
    const raw =
      style.match(/#[0-9a-f]{3,8}\b(?=[^{]*;)|\b(?:rgb|hsl|oklch|oklab|lab|lch|light-dark)\(/gi) ?? [];
    expect(raw).toEqual([]);
  });

  test('has no style in its markup, which the policy of the page forbids', () => {
    const styled = [...nodes(markup(file).nodes)].filter(
      (node) => node.type === 'Attribute' && node.name === 'style',
    );
    expect(styled).toEqual([]);
  });
});
