// How much JavaScript the page is, as it is built: `node tests/sizes.mjs PAGE...` prints JSON, bytes after gzip:
// `views` has what each page needs until it is there, `all` is everything, `late` the files that a page's address does not ask for at once.
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
  const html = output.find(({ fileName }) => fileName === 'index.html').source;
  const early = gzipped(await readFile(`${ROOT}public/early.js`)); // runs before all others
  const bytes = (names) => [...names].reduce((sum, name) => sum + gzipped(chunks.get(name).code), early);
  const entry = [...chunks.values()].find(({ moduleIds }) =>
    moduleIds.some((id) => id.endsWith('/src/main.ts')),
  );
  const needed = (page) => closure(chunks, [entry, chunkOf(chunks, page)]);
  const each = (what) => Object.fromEntries(pages.map((page) => [page, what(page)]));
  return {
    views: each((page) => bytes(needed(page))),
    all: bytes(chunks.keys()),
    late: each((page) =>
      [...needed(page)].filter((name) => name !== entry.fileName && !asked(html, page).includes(name)),
    ),
  };
}

/** The chunk with a page's component. */
function chunkOf(chunks, page) {
  const file = `/pages/${page}/${page[0].toUpperCase() + page.slice(1)}.svelte`;
  const found = [...chunks.values()].find(({ moduleIds }) => moduleIds.some((id) => id.endsWith(file)));
  if (found === undefined) throw new Error(`no chunk has ${file}`);
  return found;
}

/** The files that `early.js` asks for when a page's address is opened. */
function asked(html, page) {
  return new RegExp(` data-${page}="([^"]*)"`).exec(html)[1].split(' ');
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
