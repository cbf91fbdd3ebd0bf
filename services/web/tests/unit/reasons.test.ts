import { describe, expect, test } from 'vitest';
import { advice, fieldName, kindName, sentence, whyUnknown } from '../../src/lib/reasons';

describe('what is unknown', () => {
  test('has a name and a reason in words', () => {
    expect([fieldName('sent_at'), fieldName('priority'), fieldName('expires_at')]).toEqual([
      'Time of sending',
      'Priority',
      'Expires',
    ]);
    expect(whyUnknown({ queue: 'no worker held it' }, 'queue')).toBe('No worker held it');
    expect(whyUnknown({}, 'queue')).toBe('Not known (yet)');
  });

  // As services/shared/src/taskscope_shared/reasons.py says them.
  test.each([
    [
      'Celery tells when a task was sent only with task_send_sent_event on in the producers',
      'task_send_sent_event',
    ],
    ['no event or inspect reply told when it started', '-E'],
    ['no event, message or result with its arguments was seen', 'result_extended'],
    ['no event, message or result that names its root and parent was seen', '-E'],
    ['no result was stored or reported: the task returns none, ignores it, or …', 'result backend'],
    ['trace ids are in message headers alone, and the message was not seen', 'OpenTelemetry'],
    ['api.trace_url does not say where traces are shown', 'api.trace_url'],
    ['a job with result_ttl=0 is deleted when it succeeds', 'result_ttl'],
  ])('of a task for which “%s” has an advice with %s', (reason, word) => {
    expect(advice(reason)).toContain(word);
  });

  test('for good has none', () => {
    expect(advice('its worker died without saying how far it was')).toBeNull();
  });
});

test('codes are said in words, kinds by their names', () => {
  expect([sentence('rate_limited'), sentence('expired'), kindName('vod'), kindName('cleanup')]).toEqual([
    'Rate limited',
    'It was not started before its time was over',
    'VOD',
    'Cleanup',
  ]);
});
