import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endpoint, socketEndpoint } from '../../src/lib/base';
import { formatPlace, HOME, parsePlace, type Place } from '../../src/lib/location';

const text = fc.option(fc.string({ minLength: 1 }).filter((value) => value.isWellFormed()));
const places: fc.Arbitrary<Place> = fc.record({
  ...{ kind: text, source: text, queue: text, worker: text, sort: text, task: text },
  states: fc.uniqueArray(fc.constantFrom('failed', 'running', 'lost')),
  view: fc.constantFrom('tasks' as const, 'infrastructure' as const),
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
    const place = {
      ...HOME,
      kind: 'vod',
      states: ['failed', 'lost'],
      task: 'archive/0b1-2',
      worker: 'w@host',
    };
    expect(formatPlace(place)).toBe('#realtime?kind=vod&state=failed,lost&worker=w@host&task=archive/0b1-2');
    expect(formatPlace(HOME)).toBe('#realtime');
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
