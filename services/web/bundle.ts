/** Which files the page is built into, and which of them a page's address asks for at once. */
import type { Plugin, Rolldown } from 'vite';
import { PAGES, type Page } from './src/lib/location.ts';

/** What both first views need. */
const SHARED =
  /rolldown\/runtime|\/src\/(main|lib\/(attach|estimate|resource\.svelte|timing)|components\/(EngineMark|Loaded|Notice|PageHead|Progress|Skeleton|Slots|SourceStatusMark|Sparkline|StateBadge|Unknown))\.(ts|svelte)/;

/**
 * What is opened together is one file, since a browser asks for six at a time and small ones compress badly. A file has all that its
 * modules import, unless a file above has it.
 */
const FILES: readonly (readonly [name: string, modules: RegExp])[] = [
  ['app', SHARED],
  ['realtime', /\/src\/pages\/realtime\//],
  [
    'figures',
    /\/src\/(components\/(Bars|Panel|Segmented|Stat|Trend)|fleet\/(counts|there)|lib\/|strings\/en\/fleet)/,
  ],
  ['parts', /\/src\/(components\/|task\/shown)/],
  ['overview', /\/src\/pages\/overview\/Overview\.svelte/],
  ['fleet', /\/src\/(fleet\/|pages\/(queues|workers)\/.*(Cell|cells))/],
  ['details', /\/src\/pages\/overview\//],
  ['task', /\/src\/task\//],
  ['queues', /\/src\/pages\/queues\//],
  ['workers', /\/src\/pages\/workers\//],
  ['sources', /\/src\/pages\/sources\//],
  ['tasks', /\/src\/pages\/tasks\//],
  ['analytics', /\/src\/pages\/analytics\//],
  ['aside', /\/src\/(session|shell)\//],
];

export const bundle: Rolldown.RolldownOptions = {
  // Both go on from a server's HTML, and there is none: without it they return at once.
  treeshake: { manualPureFunctions: ['$.reset', '$.next'] },
  output: {
    codeSplitting: {
      groups: FILES.map(([name, test], place) => ({ name, test, priority: FILES.length - place })),
    },
  },
};

/** Tells `public/early.js` each page's files, as data of its element in index.html. */
export function pageFiles(): Plugin {
  return {
    name: 'page-files',
    transformIndexHtml: {
      order: 'post',
      handler: (html, { bundle: built = {} }) => {
        const data = PAGES.map((page) => `data-${page}="${filesOf(Object.values(built), page).join(' ')}"`);
        return html.replace('src="./early.js"', `src="./early.js" ${data.join(' ')}`);
      },
    },
  };
}

type Output = Rolldown.OutputChunk | Rolldown.OutputAsset;

/** The files that a page needs beside the app's. */
export function filesOf(built: readonly Output[], page: Page): string[] {
  const chunks = new Map(
    built.flatMap((one) => (one.type === 'chunk' ? [[one.fileName, one] as const] : [])),
  );
  const having = (module: string): string | undefined =>
    [...chunks.values()].find(({ moduleIds }) => moduleIds.some((id) => id.endsWith(module)))?.fileName;
  const found = new Set<string>();
  const visit = (name: string | undefined): void => {
    if (name === undefined || found.has(name)) return;
    found.add(name);
    chunks.get(name)?.imports.forEach(visit);
  };
  visit(having(`/src/pages/${page}/${page.charAt(0).toUpperCase()}${page.slice(1)}.svelte`));
  return [...found].filter((name) => name !== having('/src/main.ts'));
}
