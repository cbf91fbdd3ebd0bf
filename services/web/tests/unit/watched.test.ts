import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Analytics } from '../../src/lib/protocol';
import { isWatched, unwatched, watchedNote, watchedSince } from '../../src/lib/watched';
import { beforeQuery, askedOf, comparing } from '../../src/pages/analytics/asked';
import { askFigures } from '../../src/pages/overview/asked';

const START = '2026-11-23T20:00:00.000Z';
const LATER = '2026-11-23T20:42:00.000Z';
const END = '2026-11-23T21:00:00.000Z';

describe('what was watched', () => {
  it('is said where it is not the whole window', () => {
    expect(watchedSince({ start: START, end: END, watched_from: START })).toBeNull();
    expect(watchedSince({ start: START, end: END, watched_from: LATER })).toBe(Date.parse(LATER));
  });

  it('is said to the minute', () => {
    const window = { start: START, end: END, watched_from: LATER };
    expect(watchedNote(window, () => '20:42:09')).toBe('watched since 20:42');
    expect(watchedNote(window, () => '9 Mar 20:42')).toBe('watched since 9 Mar 20:42');
    expect(watchedNote({ ...window, watched_from: START }, () => '')).toBeNull();
  });

  it('of a window that nobody watched is nothing', () => {
    expect(watchedSince({ start: START, end: END, watched_from: null })).toBe(Date.parse(END));
  });

  it('has gaps besides what was before its beginning', () => {
    const beginning = { source: 's', start: START, end: LATER };
    const gap = { source: 's', start: LATER, end: END };
    const window = { start: START, end: END, watched_from: LATER, unwatched: [beginning, gap] };
    expect(unwatched(window)).toEqual([gap]);
  });

  it('is compared with nothing of which less than nine tenths were', () => {
    expect([1, 0.9, 0.89, 0].map((watched) => isWatched({ watched }))).toEqual([true, true, false, false]);
  });
});

function analytics(fields: object): Analytics {
  return {
    start: START,
    end: END,
    at: END,
    series: { bucket_seconds: 60 },
    ...fields,
  } as unknown as Analytics;
}

describe('analytics', () => {
  it('compares with no window before that was not watched, and does not ask for it', () => {
    const found = comparing(analytics({ before: { start: START, end: END, watched: 0.2 }, change: {} }));
    expect([found.before, found.change]).toEqual([null, null]);
    expect(beforeQuery(askedOf({}), found)).toBeNull();
  });

  it('compares with one that was', () => {
    const found = analytics({ before: { start: START, end: END, watched: 1 }, change: {} });
    expect(comparing(found)).toBe(found);
  });
});

describe('the overview', () => {
  afterEach(() => vi.unstubAllGlobals());

  const lacking = async (yesterday: () => Response): Promise<string | null> => {
    vi.stubGlobal('document', { baseURI: 'http://taskscope.test/' });
    vi.stubGlobal('fetch', (url: URL | string) =>
      Promise.resolve(String(url).includes('until=') ? yesterday() : Response.json({ watched: 0.1 })),
    );
    const found = await askFigures('1h', null, Date.parse(END), new AbortController().signal);
    expect(found.before === null).toBe(found.lacking !== null);
    return found.lacking;
  };

  it('compares with a yesterday that was watched', async () => {
    expect(await lacking(() => Response.json({ watched: 1 }))).toBeNull();
  });

  it('says that yesterday was not watched, rather than that today is nine times as much', async () => {
    expect(await lacking(() => Response.json({ watched: 0.5 }))).toBe('unwatched');
  });

  it('says that yesterday could not be read', async () => {
    expect(await lacking(() => new Response('', { status: 503 }))).toBe('unread');
  });
});
