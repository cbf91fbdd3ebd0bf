// How much JavaScript the page is, as it is built: `node tests/sizes.mjs PAGE...` prints JSON, bytes after gzip:
// `views` has what each page needs until it is there, `all` is everything.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

async function sizes(pages) {
  const { output } = await build({ root: ROOT, build: { write: false }, logLevel: 'silent' });
  const chunks = new Map(
    output.filter(({ type }) => type === 'chunk').map((chunk) => [chunk.fileName, chunk]),
  );
  const early = gzipped(await readFile(`${ROOT}public/theme.js`)); // runs before all others
  const bytes = (names) => [...names].reduce((sum, name) => sum + gzipped(chunks.get(name).code), early);
  const entry = [...chunks.values()].find((chunk) => chunk.isEntry);
  const view = (page) => bytes(closure(chunks, [entry, chunkOf(chunks, page)]));
  return { views: Object.fromEntries(pages.map((page) => [page, view(page)])), all: bytes(chunks.keys()) };
}

/** The chunk that a page's component begins. */
function chunkOf(chunks, page) {
  // The tasks page is nothing without its list, which it loads unless one task is asked for.
  const name = page === 'tasks' ? 'TaskList' : page[0].toUpperCase() + page.slice(1);
  const file = `/pages/${page}/${name}.svelte`;
  const found = [...chunks.values()].find((chunk) => chunk.facadeModuleId?.endsWith(file));
  if (found === undefined) throw new Error(`no chunk begins with ${file}`);
  return found;
}

/** Names of the chunks and of all that they import before they run. */
function closure(chunks, from, seen = new Set()) {
  for (const { fileName, imports } of from) {
    if (seen.has(fileName)) continue;
    seen.add(fileName);
    closure(
      chunks,
      imports.map((name) => chunks.get(name)),
      seen,
    );
  }
  return seen;
}

function gzipped(code) {
  return gzipSync(code, { level: 9 }).length;
}

console.log(JSON.stringify(await sizes(process.argv.slice(2))));
