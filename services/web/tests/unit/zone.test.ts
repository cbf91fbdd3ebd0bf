import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LOCAL, ZoneState } from '../../src/lib/zone.svelte';

/** 1980 to 2100. */
const moments = fc.integer({ min: 315_532_800_000, max: 4_102_444_800_000 });

function zoneOf(choice: string): ZoneState {
  const zone = new ZoneState();
  zone.choose(choice);
  return zone;
}

/** What does without Intl says the same as with it. */
test.each([
  [LOCAL, new Intl.DateTimeFormat().resolvedOptions().timeZone],
  ['UTC', 'Etc/UTC'],
])('%s has the times and days of %s', (choice, name) => {
  const [plain, formatted] = [zoneOf(choice), zoneOf(name)];
  fc.assert(
    fc.property(moments, (at) => {
      expect([plain.day(at), plain.clock(at)]).toEqual([formatted.day(at), formatted.clock(at)]);
    }),
  );
});

test('a zone of another place has its own clock and day', () => {
  const at = Date.UTC(2026, 2, 9, 20, 3, 9, 120);
  expect(zoneOf('Asia/Kolkata').moment(at)).toBe('2026-03-10 01:33:09.120 GMT+5:30');
  expect(zoneOf('UTC').moment(at)).toBe('2026-03-09 20:03:09.120 UTC');
});
