import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as format from '../../src/lib/format';

describe('durations', () => {
  test.each([
    [0, '0 ms'],
    [0.0031, '3 ms'],
    [0.42, '420 ms'],
    [0.9996, '1.00 s'],
    [4.214, '4.21 s'],
    [9.996, '10.0 s'],
    [42.12, '42.1 s'],
    [59.96, '1m 00s'],
    [75, '1m 15s'],
    [3660, '1h 01m'],
    [183_600, '2d 3h'],
    [-1, '0 ms'],
  ])('%d s reads %s', (seconds, text) => {
    expect(format.duration(seconds)).toBe(text);
  });

  test('never show 60 seconds or 60 minutes', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), (seconds) => {
        expect(`${format.duration(seconds)} ${format.ticking(seconds)}`).not.toMatch(/\b60(\.0)?( s|s|m)/);
      }),
    );
  });

  test.each([
    [0.9, '0 s'],
    [59.99, '59 s'],
    [61, '1m 01s'],
  ])('that go on tick in whole seconds: %d s reads %s', (seconds, text) => {
    expect(format.ticking(seconds)).toBe(text);
  });
});

describe('times', () => {
  const now = Date.parse('2026-11-23T21:00:00Z');
  test.each([
    [0, 'now'],
    [12, '12 s ago'],
    [200, '3m ago'],
    [7300, '2h ago'],
    [-5, 'now'],
  ])('%d s before read %s', (seconds, text) => {
    expect(format.ago(now - seconds * 1000, now)).toBe(text);
  });

  test.each([
    [0, 'due'],
    [12, 'in 12 s'],
    [90, 'in 1m 30s'],
    [7300, 'in 2h'],
  ])('%d s ahead read %s', (seconds, text) => {
    expect(format.ahead(now + seconds * 1000, now)).toBe(text);
  });

  test('that are no times are unknown', () => {
    expect([format.epoch(null), format.epoch('soon'), format.epoch('1970-01-01T00:00:01Z')]).toEqual([
      null,
      null,
      1000,
    ]);
  });
});

describe('numbers', () => {
  test.each([
    [12_345, '12,345'],
    [123_456, '123k'],
    [999_600, '1.00M'],
    [12_345_678, '12.3M'],
  ])('%d reads %s', (value, text) => {
    expect(format.compact(value)).toBe(text);
  });

  test.each([
    [512, '512 B'],
    [1536, '1.5 KiB'],
    [734_003_200, '700.0 MiB'],
  ])('%d bytes read %s', (value, text) => {
    expect(format.bytes(value)).toBe(text);
  });
});

test('counts are grouped as Intl.NumberFormat groups them', () => {
  const numbers = new Intl.NumberFormat('en-US');
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -9_999, max: 9_999 })), (value) => {
      expect(format.count(value)).toBe(numbers.format(value));
    }),
  );
  expect([format.count(1234.5), format.count(0.0004), format.count(1e15)]).toEqual([
    '1,234.5',
    '0',
    '1,000,000,000,000,000',
  ]);
});
