import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { afterPaint, later } from '../../src/lib/later';

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

describe('after a paint', () => {
  const frames: (() => void)[] = [];
  const run = vi.fn<() => void>();
  beforeEach(() => {
    vi.stubGlobal('requestAnimationFrame', (frame: () => void) => frames.push(frame));
    vi.stubGlobal('cancelAnimationFrame', (id: number) => (frames[id - 1] = () => undefined));
  });
  afterEach(() => {
    frames.length = 0;
    run.mockReset();
    vi.unstubAllGlobals();
  });

  test('comes what does not belong into the frame', () => {
    afterPaint(run);
    vi.runAllTimers();
    expect(run).not.toHaveBeenCalled();
    frames[0]?.();
    expect(run).not.toHaveBeenCalled();
    vi.runAllTimers();
    expect(run).toHaveBeenCalledOnce();
  });

  test('nothing comes any more once it is called off, before the frame or after it', () => {
    afterPaint(run)();
    frames[0]?.();
    const end = afterPaint(run);
    frames[1]?.();
    end();
    vi.runAllTimers();
    expect(run).not.toHaveBeenCalled();
  });
});
