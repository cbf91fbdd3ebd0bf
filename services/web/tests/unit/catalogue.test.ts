// Words that nobody reads cost everybody who loads the page: each entry of the catalogue is asked for somewhere.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(svelte|ts)$/.test(file) && !file.startsWith('contract/'))
  .map((file) => ({ file, text: readFileSync(SRC + file, 'utf8').replace(/<style>[\s\S]*<\/style>/, '') }));
const catalogues = sources.filter(({ file }) => file.startsWith('strings/en/'));

/** Catalogues that are handed to the frame of lists and their pages as a whole. */
const FLEET = new Set(['queue', 'queues', 'worker', 'workers']);

/** `a.b.c` of each text of a catalogue. */
function pathsOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[...path]];
  return Object.entries(value).flatMap(([name, member]) => pathsOf(member, [...path, name]));
}

/** Named, or one of several that are chosen by a key. */
function isAsked(path: readonly string[], text: string): boolean {
  const [group, name] = [path.at(-2), path.at(-1) ?? ''];
  const chosen = path.slice(0, -1).some((part) => new RegExp(`\\b${part}(\\)|!)?(\\?\\.)?\\[`).test(text));
  const whole = group !== undefined && new RegExp(`[.]${group}\\b(?!\\.)`).test(text);
  return chosen || whole || new RegExp(`\\b${name}\\b`).test(text);
}

test.each(catalogues.map(({ file }) => file))('%s has no text that nobody asks for', async (file) => {
  const module = (await import(/* @vite-ignore */ `${SRC}${file}`)) as Record<string, unknown>;
  const name = file.slice('strings/en/'.length, -'.ts'.length);
  const readers = sources.filter(
    (one) =>
      one.file !== file &&
      (one.text.includes(`$strings/${name}'`) || (FLEET.has(name) && one.file.startsWith('fleet/'))),
  );
  const text = readers.map((one) => one.text).join('\n');
  const unasked = Object.values(module).flatMap((catalogue) =>
    pathsOf(catalogue).filter((path) => !isAsked(path, text)),
  );
  expect(unasked.map((path) => path.join('.'))).toEqual([]);
});
