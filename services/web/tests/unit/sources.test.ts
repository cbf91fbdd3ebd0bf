import { describe, expect, test } from 'vitest';
import type { Source, SourceHealth } from '../../src/lib/protocol';
import { adviceKey, notesOf, problemsOf, signsOf } from '../../src/pages/sources/advice';
import { allFacts, apiFacts } from '../../src/pages/sources/facts';
import { rankedSources } from '../../src/pages/sources/ranked';
import { source } from './samples';

const keys = (items: { key: string }[]): string[] => items.map(({ key }) => key);

describe('advice', () => {
  // As the collector and the api word them.
  test.each([
    ['events: connection refused at 127.0.0.1:6379: is the server running there?', 'refused'],
    ['the host name cannot be resolved (Name or service not known)', 'name'],
    ['events: [Errno -2] Name or service not known', 'name'],
    ['no answer in time', 'slow'],
    ['the server wants a password: put it into the URL (NOAUTH Authentication required.)', 'password'],
    ['the server does not take this user name and password (WRONGPASS invalid)', 'credentials'],
    ["the server's ACL does not allow this user to do that (NOPERM this user)", 'acl'],
    ['the server is still loading its data (LOADING Redis is loading)', 'loading'],
    ['the secret file /secrets/broker-url cannot be read: No such file or directory', 'secret'],
    ['events: the connection ended', 'ended'],
    ['events: internal error: KeyError', 'internal'],
    ['remote control: no answer in time', 'control'],
    ['workers cannot be asked: no answer in time', 'control'],
    ['result backend: something else', 'results'],
    ['overrun: results are polled, so progress is coarser', 'resultsPolled'],
    ["changes are polled, not pushed: the server's ACL does not allow this user to do that", 'acl'],
    ['changes are polled, not pushed: ERR unknown subcommand', 'polling'],
    [
      'no result backend is configured: there is no progress, and outcomes come from events alone',
      'noBackend',
    ],
    ['a result backend with db+postgresql cannot be read: outcomes come from events alone', 'otherBackend'],
    [
      'task events are not switched on (enable_events: false): workers that send none are only polled',
      'eventsForbidden',
    ],
    ['no events from a@b: started without gossip and heartbeat', 'noDispatcher'],
    ['no events from a@b: switched off by `taskscope events off`', 'eventsOff'],
    ['no task-sent events so far (task_send_sent_event is off): when a task was sent is unknown', 'sent'],
    [
      'queues of an AMQP broker cannot be looked into: waiting tasks are known from task-sent events alone',
      'amqp',
    ],
    ['some results are not JSON (pickles are never read): their outcome comes from events alone', 'notJson'],
    [
      '12 events from 10:00:00 UTC to 10:00:01 UTC were dropped: they came faster than they can be read',
      'tooFast',
    ],
    ['the broker cut the subscription: events from 10:00:00 UTC are missing', 'cut'],
    ['the connection to the broker was lost: events from 10:00:00 UTC are missing', 'interrupted'],
    [
      'the server does not tell who is connected (PUBSUB NUMSUB), so a killed worker is noticed late',
      'numsub',
    ],
    ['3 tasks were evicted before they could be written: charts do not show them', 'evicted'],
    ['its collector has not been heard of for some seconds', 'collector'],
    ['its collector cannot write: it is full: raise its maxmemory, or lower retention.*', 'store'],
    ['its state was not read from Redis yet', 'waiting'],
    ['its collector is writing its state anew', 'rebuilding'],
    ['something that nobody wrote yet', 'generic'],
  ])('on "%s" is of %s', (says, key) => {
    expect(adviceKey(says)).toBe(key);
  });

  test('names the setting of the engine', () => {
    const reason = 'connection refused: is the server running there?';
    expect(problemsOf(source('a', { status: 'down', reason }))[0]?.text).toContain('broker_url');
    const rq = source('a', { status: 'down', reason, engine: 'rq' });
    expect(problemsOf(rq)[0]?.text).toContain('redis_url');
  });

  test('is given for each part of a degraded source, and a part that is none stays with the one before', () => {
    const reason = 'workers cannot be asked: ERR a; b; overrun: results are polled, so progress is coarser';
    const problems = problemsOf(source('a', { status: 'degraded', reason }));
    expect(problems.map(({ says }) => says)).toEqual([
      'workers cannot be asked: ERR a; b',
      'overrun: results are polled, so progress is coarser',
    ]);
  });

  test('is generic, not missing, where a source that is down gives no reason', () => {
    expect(keys(problemsOf(source('a', { status: 'down' })))).toEqual(['generic']);
    expect(problemsOf(source('a'))).toEqual([]);
  });

  test('is given for what the api is behind of, and for notes', () => {
    const stale = 'its collector has not been heard of for some seconds';
    expect(keys(problemsOf(source('a', { stale })))).toEqual(['collector']);
    expect(keys(notesOf(source('a', { notes: ['no result backend is configured: …'] })))).toEqual([
      'noBackend',
    ]);
  });

  test('is given for counts that the source does not explain itself', () => {
    const counts = { lag_seconds: 9, dropped: 2, malformed: 1, uncounted_queued: 3 };
    expect(keys(signsOf(source('a', counts)))).toEqual(['lag', 'dropped', 'malformed', 'uncounted']);
    const notes = ['12 events were dropped: they came faster than they can be read'];
    expect(keys(signsOf(source('a', { dropped: 2, notes })))).toEqual([]);
    expect(signsOf(source('a'))).toEqual([]);
  });
});

describe('sources', () => {
  test('stand in the order in which somebody should look at them', () => {
    const list: Source[] = [
      source('up'),
      source('degraded', { status: 'degraded' }),
      source('old', { stale: 'silent' }),
      source('down', { status: 'down' }),
    ];
    expect(rankedSources(list).map(({ name }) => name)).toEqual(['down', 'old', 'degraded', 'up']);
  });

  test('say why a fact is not known, and mark numbers that should be zero', () => {
    const facts = allFacts(source('a', { engine: 'rq', lag_seconds: null, malformed: 2, holder: null }), 0);
    const unknown = facts.filter(({ value }) => value === null);
    expect(unknown.every(({ why }) => (why ?? '') !== '')).toBe(true);
    expect(facts.filter(({ bad }) => bad).map(({ label }) => label)).toEqual(['Malformed']);
  });

  test('tell what the api knows of them', () => {
    const health: SourceHealth = {
      ...{ name: 'a', status: 'degraded' as const, reason: null, stale: 'silent', tasks: 3, position: null },
      ...{ snapshots: 1, gaps: 0, undecodable: 1 },
    };
    const bad = apiFacts(health).filter((fact) => fact.bad);
    expect(bad.map(({ value }) => value)).toEqual(['silent', '1']);
  });
});
