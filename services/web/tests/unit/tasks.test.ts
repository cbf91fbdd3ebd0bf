import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { patchOf, questionOf, searchOf } from '../../src/pages/tasks/search/address';
import { toggled, type Search } from '../../src/pages/tasks/search/fields';
import {
  canonicalMoment,
  localText,
  momentOf,
  unwall,
  type Walls,
} from '../../src/pages/tasks/search/moments';
import { format, parse } from '../../src/pages/tasks/search/parse';
import { canonicalSpan, seconds, spanOf } from '../../src/pages/tasks/search/spans';

/** A zone as `ZoneState` has it, without runes. */
function walls(timeZone: string): Walls {
  const day = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' });
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'medium', hourCycle: 'h23' });
  const zone: Walls = {
    day: (at) => day.format(at),
    clock: (at) => clock.format(at),
    midnight: (at) => unwall(Date.parse(`${day.format(at)}T00:00:00Z`), zone),
  };
  return zone;
}

const UTC = walls('UTC');
const NOW = Date.parse('2026-11-27T12:00:00Z');

describe('a search', () => {
  it('holds fields and free words', () => {
    const { search, problems } = parse(
      'state:failed name:transcribe* film.mp4 queue:gpu runtime:>30s wait:<2m after:2h error',
    );
    expect(problems).toEqual([]);
    expect(search).toEqual({
      ...{ state: 'failed', name: 'transcribe*', queue: 'gpu', runtime: '30s..', wait: '..2m', after: '2h' },
      q: 'film.mp4 error',
    });
  });

  it('adds up values, from commas and from repetition', () => {
    expect(parse('state:failed,lost state:failed STATE:Revoked').search).toEqual({
      state: 'failed,lost,revoked',
    });
  });

  it('takes what stands in quotes as one value, and as text where it looks like a field', () => {
    expect(parse('worker:"my worker" "http://films"').search).toEqual({
      worker: 'my worker',
      q: 'http://films',
    });
    expect(format({ worker: 'my worker', q: 'http://films' })).toBe('worker:"my worker" "http://films"');
  });

  it.each([
    ['stat:failed', 'stat:failed', 'state, '],
    ['x state:faild', 'state:faild', 'failed, '],
    ['runtime:long y', 'runtime:long', '>30s'],
    ['runtime:5s..2s', 'runtime:5s..2s', '>30s'],
    ['after:sometime', 'after:sometime', '2026-11-27'],
    ['after:2026-02-31', 'after:2026-02-31', '2026-11-27'],
    ['name:', 'name:', 'name:transcribe*'],
    ['a b c d e f g h i', 'a b c d e f g h i', '8 words'],
  ])('says of %s where it is wrong and what would be right', (text, wrong, right) => {
    const [problem] = parse(text).problems;
    expect(problem?.text).toBe(wrong);
    expect(text.slice(problem?.from, problem?.to)).toBe(wrong);
    expect(problem?.words).toContain(right);
  });

  it('reads what it wrote', () => {
    const word = fc.stringMatching(/^[ -~äß]{1,12}$/);
    const value = fc.oneof(
      word,
      fc.constantFrom('failed', 'lost,failed', '>30s', '2h', '1m..2m', 'today', '"a b"', 'Failed', '<1h30m'),
    );
    const field = fc.constantFrom(
      'state',
      'name',
      'queue',
      'runtime',
      'wait',
      'after',
      'time',
      'id',
      'nothing',
    );
    const token = fc.oneof(
      word,
      fc.tuple(field, value).map(([name, text]) => `${name}:${text}`),
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 8 }), (parts) => {
        const { search } = parse(parts.join(' '));
        const text = format(search);
        expect(parse(text).search).toEqual(search);
        expect(format(parse(text).search)).toBe(text);
        const address = Object.entries(patchOf(search)).filter(([, part]) => part !== null);
        expect(searchOf(Object.fromEntries(address) as Record<string, string>)).toEqual(search);
      }),
      { numRuns: 500 },
    );
  });

  it('never loses a word of what cannot be understood', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        for (const { from, to, text: wrong } of parse(text).problems)
          expect(text.slice(from, to)).toContain(wrong.split(' ')[0]);
      }),
    );
  });

  it('gains and loses a value', () => {
    const search: Search = { state: 'failed' };
    expect(toggled(search, 'state', 'lost')).toEqual({ state: 'failed,lost' });
    expect(toggled(search, 'state', 'failed')).toEqual({});
  });
});

describe('a duration', () => {
  it.each([
    ['30', 30],
    ['500ms', 0.5],
    ['1m30s', 90],
    ['1.5h', 5400],
    ['7d', 604_800],
    ['m', null],
    ['', null],
    ['-3s', null],
  ])('%s is %s seconds', (text, value) => {
    expect(seconds(text)).toBe(value);
  });

  it.each([
    ['>30s', '30s..'],
    ['>= 30s', '30s..'],
    ['<5s', '..5s'],
    ['30s..2m', '30s..2m'],
    ['30s..', '30s..'],
    ['30s', null],
    ['..', null],
    ['>', null],
    ['2m..30s', null],
  ])('%s stands as %s in the address', (text, canonical) => {
    expect(canonicalSpan(text)).toBe(canonical);
  });

  it('has two ends', () => {
    expect(spanOf('30s..2m')).toEqual({ min: 30, max: 120 });
    expect(spanOf('..2m')).toEqual({ min: null, max: 120 });
  });
});

describe('a moment', () => {
  it.each([
    ['2h', 'UTC', '2026-11-27T10:00:00.000Z'],
    ['today', 'UTC', '2026-11-27T00:00:00.000Z'],
    ['today', 'Asia/Tokyo', '2026-11-26T15:00:00.000Z'],
    ['yesterday', 'UTC', '2026-11-26T00:00:00.000Z'],
    ['2026-11-27', 'Europe/Berlin', '2026-11-26T23:00:00.000Z'],
    ['2026-11-27T10:00', 'America/New_York', '2026-11-27T15:00:00.000Z'],
    ['2026-07-01T10:00', 'America/New_York', '2026-07-01T14:00:00.000Z'],
    ['2026-11-27T10:00Z', 'Asia/Tokyo', '2026-11-27T10:00:00.000Z'],
    ['2026-11-27T10:00:30+05:30', 'UTC', '2026-11-27T04:30:30.000Z'],
  ])('%s in %s is %s', (text, zone, at) => {
    const canonical = canonicalMoment(text);
    expect(canonical).not.toBeNull();
    expect(new Date(momentOf(canonical ?? '', NOW, walls(zone)) ?? 0).toISOString()).toBe(at);
  });

  it('comes back from a form', () => {
    const berlin = walls('Europe/Berlin');
    expect(momentOf(localText(NOW, berlin), NOW, berlin)).toBe(NOW);
  });

  it.each(['soon', '2026-13-01', '2026-11-27T25:00', '27.11.2026'])('%s is none', (text) => {
    expect(canonicalMoment(text)).toBeNull();
  });
});

describe('the question to the api', () => {
  const asked = (text: string): Record<string, unknown> => {
    const entries = Object.entries(questionOf(parse(text).search, NOW, UTC));
    return Object.fromEntries(
      entries.filter(([, value]) => value !== null && value !== '' && String(value) !== ''),
    );
  };

  it('has the names of the api', () => {
    expect(asked('state:failed exception:Value* runtime:>30s wait:1s..2s after:2h x')).toEqual({
      ...{ state: 'failed', exception_type: 'Value*', runtime_min: 30, wait_min: 1, wait_max: 2, q: 'x' },
      updated_from: '2026-11-27T10:00:00.000Z',
    });
  });

  it('bounds the time that was chosen', () => {
    expect(asked('time:finished before:2026-11-27')).toEqual({ finished_to: '2026-11-27T00:00:00.000Z' });
  });

  it('looks up whole keys, and looks for parts of ids', () => {
    expect(asked('id:archive/6f1d2c')).toEqual({ key: ['archive/6f1d2c'] });
    expect(asked('id:6f1d film')).toEqual({ q: '6f1d film' });
  });

  it('tells of what runs how long it runs by when it began', () => {
    expect(asked('state:running runtime:>1m')).toEqual({
      state: 'running',
      started_to: '2026-11-27T11:59:00.000Z',
    });
    expect(asked('state:running,failed runtime:>1m')).toEqual({ state: 'running,failed', runtime_min: 60 });
  });

  it('leaves the open task of an address alone', () => {
    expect(searchOf({ task: 'archive/1', name: 'x' })).toEqual({ name: 'x' });
  });

  it('understands addresses with names of the api', () => {
    expect(
      searchOf({ exception_type: 'KeyError', finished_from: '2h', runtime_min: '3', sort: 'x' }),
    ).toEqual({
      ...{ exception: 'KeyError', time: 'finished', after: '2h', runtime: '3..' },
    });
  });
});
