import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { later } from '../../src/lib/later';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a part that cannot be loaded is asked for again until it is there', async () => {
  const load = vi.fn<() => Promise<string>>();
  load.mockRejectedValueOnce(new TypeError('away')).mockRejectedValueOnce(new TypeError('away'));
  load.mockResolvedValue('part');
  const part = later(load);
  await vi.advanceTimersByTimeAsync(2_900);
  expect(load).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(200);
  expect(await part).toBe('part');
});
