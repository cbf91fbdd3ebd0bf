import { describe, expect, test } from 'vitest';
import { find, mayBeId, type Item } from '../../src/shell/finds';
import { fuzzy, parts } from '../../src/shell/fuzzy';
import { folded, noticesOf, type Situation } from '../../src/shell/notices';
import { findZones, zoneName } from '../../src/shell/zones';
import type { Source } from '../../src/lib/protocol';

describe('what is meant by some letters', () => {
  const best = (typed: string, texts: string[]): string | undefined =>
    texts
      .map((text) => ({ text, score: fuzzy(typed, text)?.score ?? -Infinity }))
      .filter(({ score }) => score > -Infinity)
      .sort((a, b) => b.score - a.score)[0]?.text;

  test('they occur in this order, whatever the case', () => {
    expect(fuzzy('TSK', 'transcode_task')?.at).toEqual([10, 12, 13]);
    expect(fuzzy('kst', 'task')).toBeNull();
  });

  test('letters in a row and beginnings of words count most', () => {
    expect(best('tran', ['Times in Rangoon', 'archive.tasks.transcribe', 'Teheran'])).toBe(
      'archive.tasks.transcribe',
    );
    expect(best('wo', ['Two', 'Workers'])).toBe('Workers');
    expect(best('pv', ['probe_video', 'improve'])).toBe('probe_video');
  });

  test('words may stand in any order, and all have to occur', () => {
    expect(fuzzy('vod process', 'process_vod')).not.toBeNull();
    expect(fuzzy('vod nothing', 'process_vod')).toBeNull();
  });

  test('nothing typed means everything', () => {
    expect(fuzzy(' ', 'anything')).toMatchObject({ at: [] });
  });

  test('its letters are shown as those that were meant', () => {
    expect(parts('queues', [0, 1])).toEqual([
      { text: 'qu', meant: true },
      { text: 'eues', meant: false },
    ]);
  });
});

describe('the palette', () => {
  const item = (group: Item['group'], text: string): Item => ({
    id: `${group} ${text}`,
    group,
    text,
    icon: 'info',
  });
  const items = [
    item('page', 'Queues'),
    item('queue', 'transcription'),
    item('zone', 'Tralee, Europe'),
    item('name', 'archive.transcribe'),
    item('command', 'Dark theme'),
  ];

  test('shows pages and commands before anything is typed', () => {
    expect(find(items, '').map(({ group }) => group)).toEqual(['page', 'command']);
  });

  test('shows the group of the best first, and time zones late', () => {
    expect(find(items, 'tra').map(({ group }) => group)).toEqual(['queue', 'name', 'zone']);
  });

  test.each(['0b1e4c1e-9c55-4a53-8c56-7a6e6f9d9a11', 'media/0b1e4c1e', 'report-2026'])(
    '%s may be an id',
    (id) => {
      expect(mayBeId(id)).toBe(true);
    },
  );

  test.each(['transcribe', 'state:failed1', 'two words 12', 'short1'])('%s is none', (text) => {
    expect(mayBeId(text)).toBe(false);
  });
});

test('a time zone is found by its city', () => {
  const all = ['Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Asia/Kolkata'];
  expect(findZones('buenos', all, 5)).toEqual(['America/Argentina/Buenos_Aires']);
  expect(zoneName('America/Argentina/Buenos_Aires')).toBe('Buenos Aires, Argentina, America');
});

describe('notices', () => {
  const source = (name: string, status: Source['status'], reason: string | null = null): Source =>
    ({ name, status, reason, stale: null }) as Source;
  const told = (change: Partial<Situation>): ReturnType<typeof noticesOf> =>
    noticesOf({ health: 'live', sources: [], seen: '12:00:00', complaint: null, ...change });

  test('there are none while all is well', () => {
    expect(told({ sources: [source('archive', 'up'), source('media', 'starting')] })).toEqual([]);
  });

  test('what is down comes before what is degraded, each with its reason and its page', () => {
    const found = told({
      sources: [
        source('media', 'degraded', 'no result backend'),
        source('archive', 'down', 'connection refused'),
      ],
    });
    expect(found.map(({ title, source: about }) => [title, about])).toEqual([
      ['archive is down.', 'archive'],
      ['media is degraded.', 'media'],
    ]);
    expect(found[0]?.text).toContain('Connection refused.');
  });

  test('another reason is another notice', () => {
    const [first, second] = ['timeout', 'connection refused'].map(
      (reason) => told({ sources: [source('a', 'down', reason)] })[0]?.id,
    );
    expect(first).not.toBe(second);
  });

  test('several are one line with counts', () => {
    const found = told({
      health: 'reconnecting',
      sources: [source('a', 'down'), source('b', 'down'), source('c', 'degraded')],
    });
    expect(folded(found)).toBe('The connection is interrupted, 2 sources are down, 1 source is degraded.');
  });

  test('one is its own title', () => {
    expect(folded(told({ health: 'stale' }))).toBe('These figures are not current.');
  });
});
