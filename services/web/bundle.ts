/** Which files the page is built into, and which of them a page's address asks for at once. */
import type { Plugin, Rolldown } from 'vite';
import { PAGES, type Page } from './src/lib/location.ts';

/** Parts that both first views show. */
const SHARED =
  /rolldown\/runtime|\/src\/(main|lib\/(attach|estimate|resource\.svelte|timing)|components\/(Bars|EngineMark|Loaded|Notice|PageHead|Panel|Progress|Segmented|Skeleton|Slots|SourceStatusMark|Sparkline|Stat|StateBadge|Trend|Unknown))\.(ts|svelte)/;

/**
 * What is opened together is one file, since a browser asks for six at a time and small ones compress badly. A file has all that its
 * modules import, unless a file above has it.
 */
const FILES: readonly (readonly [name: string, modules: RegExp])[] = [
  ['app', SHARED],
  ['realtime', /\/src\/pages\/realtime\//],
  ['parts', /\/src\/components\//],
  ['overview', /\/src\/pages\/overview\/Overview\.svelte/],
  ['details', /\/src\/pages\/overview\//],
  ['task', /\/src\/task\//],
  ['fleet', /\/src\/(fleet\/|pages\/workers\/WorkerState)/],
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

/** The files that a page has beside the app's. */
export function filesOf(built: readonly Output[], page: Page): string[] {
  const chunks = built.filter((output) => output.type === 'chunk');
  const app = chunks.find((chunk) => chunk.moduleIds.some((id) => id.endsWith('/src/main.ts')));
  const own = chunks.find((chunk) => chunk.moduleIds.some((id) => id.endsWith(componentOf(page))));
  return own === undefined ? [] : [own.fileName, ...own.imports].filter((name) => name !== app?.fileName);
}

function componentOf(page: Page): string {
  return `/src/pages/${page}/${page.charAt(0).toUpperCase()}${page.slice(1)}.svelte`;
}
