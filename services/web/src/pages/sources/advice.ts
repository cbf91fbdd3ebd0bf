/**
 * What to do about a reason or a note of a source. The texts come from the collector (its sources' `faults.py`, `board.py` and notes) and
 * the api (`follower.py`): each is known here by words of it that do not change.
 */
import { sources as words, type AdviceKey } from '$strings/sources';
import type { Source } from '../../lib/protocol';

export interface Advice {
  key: AdviceKey;
  /** What the source says. */
  says: string;
  /** What to do about it. */
  text: string;
  /** A command or a setting that does it. */
  code: string | null;
}

const KNOWN: readonly [pattern: RegExp, key: AdviceKey][] = [
  [/secret file/i, 'secret'],
  [/wants a password|NOAUTH/, 'password'],
  [/does not take (this|the) user name|WRONGPASS/, 'credentials'],
  [/ACL does not allow|NOPERM/, 'acl'],
  [/still loading|LOADING/, 'loading'],
  [/connection refused/i, 'refused'],
  [/host name cannot be resolved|name or service not known|name resolution/i, 'name'],
  [/certificate|SSL|TLS/, 'tls'],
  [/polled, not pushed/, 'polling'],
  [/results are polled/, 'resultsPolled'],
  [/workers cannot be asked|^remote control:/, 'control'],
  [/no answer in time|timed out|timeout|no route to host|unreachable/i, 'slow'],
  [/internal error/, 'internal'],
  [/^result backend:/, 'results'],
  [/no result backend is configured/, 'noBackend'],
  [/result backend with .* cannot be read/, 'otherBackend'],
  [/enable_events: false/, 'eventsForbidden'],
  [/without gossip and heartbeat/, 'noDispatcher'],
  [/taskscope events off/, 'eventsOff'],
  [/task_send_sent_event|no task-sent events/, 'sent'],
  [/AMQP broker cannot be looked into/, 'amqp'],
  [/are not JSON/, 'notJson'],
  [/came faster than they can be read/, 'tooFast'],
  [/broker cut the subscription/, 'cut'],
  [/connection to the broker was lost/, 'interrupted'],
  [/PUBSUB NUMSUB/, 'numsub'],
  [/were evicted|after they were evicted/, 'evicted'],
  [/collector cannot write|store cannot|Redis cannot be read/, 'store'],
  [/not been heard of/, 'collector'],
  [/was not read from Redis yet|Redis holds nothing/, 'waiting'],
  [/writing its state anew|older state/, 'rebuilding'],
  [/the connection ended/, 'ended'],
];

/** Which advice fits; `generic` for what is not known here. */
export function adviceKey(says: string): AdviceKey {
  return KNOWN.find(([pattern]) => pattern.test(says))?.[1] ?? 'generic';
}

function adviceOn(says: string, engine: Source['engine']): Advice {
  return advised(adviceKey(says), says, engine);
}

function advised(key: AdviceKey, says: string, engine: Source['engine']): Advice {
  const [text = '', code = null] = words.advice(key, engine);
  return { key, says, text, code };
}

/** Why it is not up, part by part, and why the api may be behind it. */
export function problemsOf({ reason, stale, status, engine }: Source): Advice[] {
  const parts = reason === null ? [] : partsOf(reason);
  if (parts.length === 0 && (status === 'down' || status === 'degraded')) parts.push(words.noReason);
  if (stale !== null) parts.push(stale);
  return parts.map((part) => adviceOn(part, engine));
}

/** A degraded source joins its reasons with `; `. A part that no advice is for may belong to the one before it. */
function partsOf(reason: string): string[] {
  return reason.split('; ').reduce<string[]>((parts, part) => {
    const before = parts.at(-1);
    if (before === undefined || adviceKey(part) !== 'generic') return [...parts, part];
    return [...parts.slice(0, -1), `${before}; ${part}`];
  }, []);
}

/** What is known less well for good, or was missed. */
export function notesOf({ notes, engine }: Source): Advice[] {
  return notes.map((note) => adviceOn(note, engine));
}

/** A lag of so long is more than a burst. */
const LAG_SECONDS = 5;

/** What its counts say that it does not say itself. */
export function signsOf(source: Source): Advice[] {
  const { lag_seconds: lag, dropped, malformed, uncounted_queued: uncounted, notes, engine } = source;
  const told = new Set(notes.map(adviceKey));
  const signs: [boolean, AdviceKey][] = [
    [lag !== null && lag >= LAG_SECONDS, 'lag'],
    [dropped > 0 && !told.has('tooFast') && !told.has('cut'), 'dropped'],
    [malformed > 0, 'malformed'],
    [uncounted > 0, 'uncounted'],
  ];
  return signs.filter(([there]) => there).map(([, key]) => advised(key, words.signs(key, source), engine));
}
