import { afterEach, expect, test, vi } from 'vitest';
import { fetchKinds } from '../../src/lib/api';
import { newTrace } from '../../src/lib/trace';

afterEach(() => {
  vi.unstubAllGlobals();
});

test('a trace is a sampled traceparent of version 00, marked as a page’s', () => {
  const { traceparent, tracestate } = newTrace();
  expect(traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01$/);
  expect(tracestate).toBe('taskscope=page');
});

test('each request and message is a trace of its own', () => {
  expect(new Set(Array.from({ length: 100 }, () => newTrace().traceparent)).size).toBe(100);
});

test('small bytes keep their zero', () => {
  vi.stubGlobal('crypto', { getRandomValues: (array: Uint8Array) => array.fill(10) });
  expect(newTrace().traceparent).toBe(`00-${'0a'.repeat(16)}-${'0a'.repeat(8)}-01`);
});

test('what the page fetches carries its trace', async () => {
  const fetched = vi.fn(() => Promise.resolve(new Response('{"items":[]}')));
  vi.stubGlobal('fetch', fetched);
  vi.stubGlobal('document', { baseURI: 'http://taskscope.example/' });
  await fetchKinds(new AbortController().signal);
  const [, { headers }] = fetched.mock.calls[0] as unknown as [
    string,
    { headers: { traceparent?: string; tracestate?: string } },
  ];
  expect(headers.traceparent).toMatch(/^00-/);
  expect(headers.tracestate).toBe('taskscope=page');
});
