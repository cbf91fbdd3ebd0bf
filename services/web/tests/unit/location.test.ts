import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endpoint, socketEndpoint } from '../../src/lib/base';
import { formatPlace, HOME, PAGES, parsePlace, patched, type Place } from '../../src/lib/location';

const text = fc.string({ minLength: 1 }).filter((value) => value.isWellFormed());
const places: fc.Arbitrary<Place> = fc.record({
  page: fc.constantFrom(...PAGES),
  item: fc.option(text),
  query: fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), text, { noNullPrototype: true }),
});

describe('the address', () => {
  test('says everything that was chosen', () => {
    fc.assert(
      fc.property(places, (place) => {
        expect(parsePlace(formatPlace(place))).toEqual(place);
      }),
    );
  });

  test('is readable', () => {
    const query = { kind: 'vod', state: 'failed,lost', worker: 'w@host', name: 'transcribe*' };
    expect(formatPlace({ page: 'realtime', item: null, query })).toBe(
      '#realtime?kind=vod&state=failed,lost&worker=w@host&name=transcribe*',
    );
    expect(formatPlace({ page: 'tasks', item: 'archive/0b1-2', query: {} })).toBe('#tasks/archive/0b1-2');
    expect(formatPlace(HOME)).toBe('#overview');
  });

  test.each(['', '#', '#nothing', '#nothing/at?all=1'])('%j leads to the overview', (hash) => {
    expect(parsePlace(hash)).toEqual(HOME);
  });

  test('with a broken escape stands for itself', () => {
    expect(parsePlace('#tasks/archive/%E0%A4%A').item).toBe('archive/%E0%A4%A');
  });

  test('takes lists, numbers and nothing', () => {
    expect(
      patched({ state: 'failed', sort: 'name' }, { state: ['lost', 'failed'], limit: 5, sort: null }),
    ).toEqual({
      state: 'lost,failed',
      limit: '5',
    });
  });
});

describe('addresses of the api', () => {
  test.each([
    ['http://host/', 'http://host/api/kinds', 'ws://host/api/ws'],
    ['https://host/tools/scope/', 'https://host/tools/scope/api/kinds', 'wss://host/tools/scope/api/ws'],
    [
      'https://host/scope/index.html#realtime?task=a/b',
      'https://host/scope/api/kinds',
      'wss://host/scope/api/ws',
    ],
  ])('lie below %s', (base, rest, socket) => {
    expect([endpoint('api/kinds', base), socketEndpoint('api/ws', base)]).toEqual([rest, socket]);
  });
});
