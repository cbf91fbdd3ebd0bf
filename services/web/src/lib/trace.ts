/**
 * W3C Trace Context of what the page asks for, made by hand: a browser SDK would be larger than the page.
 *
 * `sampled` is set, or a parent-based sampler would record nothing; `tracestate` says that it was a page that set it, so that the
 * api samples by the ratio it is configured with (docs/telemetry.md). An api without telemetry passes over both.
 */
export interface Trace extends Record<string, string> {
  traceparent: string;
  tracestate: string;
}

/** Of one request or message, each a trace of its own. */
export function newTrace(): Trace {
  return { traceparent: `00-${randomHex(16)}-${randomHex(8)}-01`, tracestate: 'taskscope=page' };
}

/** Never zeros alone, which would be no id: the chance is 1 in 2^64. */
function randomHex(bytes: number): string {
  const drawn = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(drawn, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
