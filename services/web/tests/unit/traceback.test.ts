import { describe, expect, test } from 'vitest';
import { isLibrary, packages, parseTraceback, pieces, shortPath } from '../../src/task/traceback';

const SITE = '/srv/app/.venv/lib/python3.11/site-packages';
/** Of a Celery worker (prefork), as its task-failed event tells it. */
const CELERY = `Traceback (most recent call last):
  File "${SITE}/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ^^^^^^^^^^^^^^^^^^^^
  File "${SITE}/celery/app/trace.py", line 883, in __protected_call__
    return self.run(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/app/src/archive/tasks/cleanup.py", line 18, in cleanup_title
    raise LookupError(f"there are no files of {title}")
LookupError: there are no files of nobody-00051
`;
/** Of an RQ worker, as the job's result keeps it. */
const RQ = `Traceback (most recent call last):
  File "${SITE}/rq/worker/base.py", line 1671, in perform_job
    return_value = job.perform()
                   ^^^^^^^^^^^^^
  File "${SITE}/rq/job.py", line 1539, in _execute
    result = self.func(*self.args, **self.kwargs)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/app/src/archive/jobs.py", line 61, in check_video_catalogue
    return catalogue[title]
           ~~~~~~~~~^^^^^^^
KeyError: 'unlisted-00048'
`;
/** A retry of Celery: the last frame is Celery's own. */
const RETRY = `Traceback (most recent call last):
  File "${SITE}/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/srv/app/src/archive/tasks/vod.py", line 27, in fetch_video
    raise self.retry(exc=SourceNotReadyError("not uploaded yet"), countdown=3)
  File "${SITE}/celery/app/task.py", line 963, in retry
    raise ret
celery.exceptions.Retry: Retry in 3s: SourceNotReadyError('not uploaded yet')
`;
const CHAIN = `Traceback (most recent call last):
  File "/srv/app/src/a.py", line 1, in read
    open("x")
FileNotFoundError: [Errno 2] No such file or directory: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/app/src/a.py", line 4, in load
    raise KeyError("x")
KeyError: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/app/src/a.py", line 9, in <module>
    raise RuntimeError(
        "two lines"
    )
RuntimeError: first line
second line: with a colon
`;

describe('a traceback', () => {
  test('of Celery has its frames, and which of them are libraries’', () => {
    const [raised] = parseTraceback(CELERY);
    expect(raised).toMatchObject({
      type: 'LookupError',
      message: 'there are no files of nobody-00051',
      link: null,
    });
    expect(raised?.frames.map(({ line, name, library }) => [line, name, library])).toEqual([
      [564, 'trace_task', true],
      [883, '__protected_call__', true],
      [18, 'cleanup_title', false],
    ]);
    expect(raised?.frames[2]?.code).toEqual(['raise LookupError(f"there are no files of {title}")']);
  });

  test('of RQ loses its marks, not its code', () => {
    const [raised] = parseTraceback(RQ);
    expect(raised).toMatchObject({ type: 'KeyError', message: "'unlisted-00048'" });
    expect(raised?.frames.map(({ code }) => code)).toEqual([
      ['return_value = job.perform()'],
      ['result = self.func(*self.args, **self.kwargs)'],
      ['return catalogue[title]'],
    ]);
  });

  test('with a chain has each exception and how it came about', () => {
    expect(parseTraceback(CHAIN).map(({ type, message, link }) => [type, message, link])).toEqual([
      ['FileNotFoundError', "[Errno 2] No such file or directory: 'x'", null],
      ['KeyError', "'x'", 'context'],
      ['RuntimeError', 'first line\nsecond line: with a colon', 'cause'],
    ]);
  });

  test('keeps code over several lines', () => {
    expect(parseTraceback(CHAIN)[2]?.frames[0]?.code).toEqual([
      'raise RuntimeError(',
      '    "two lines"',
      ')',
    ]);
  });

  test('of billiard is read out of its quotes', () => {
    const [raised] = parseTraceback(`billiard.einfo.RemoteTraceback: \n"""\n${CELERY}"""\n`);
    expect(raised).toMatchObject({ type: 'LookupError', message: 'there are no files of nobody-00051' });
  });

  test('that was cut in the middle goes on behind the cut', () => {
    const lines = CELERY.split('\n');
    const cut = [...lines.slice(0, 3), '…', ...lines.slice(7)].join('\n');
    const [raised] = parseTraceback(cut);
    expect(raised?.frames.map(({ name }) => name)).toEqual(['trace_task', 'cleanup_title']);
    expect(raised?.type).toBe('LookupError');
  });

  test('of a recursion says how often a line was repeated', () => {
    const text = `Traceback (most recent call last):
  File "/a.py", line 2, in f
    f()
  [Previous line repeated 968 more times]
RecursionError: maximum recursion depth exceeded`;
    expect(parseTraceback(text)[0]?.frames[0]?.note).toBe('[Previous line repeated 968 more times]');
  });

  test('of a syntax error has a frame without a function', () => {
    const text = `Traceback (most recent call last):\n  File "/a.py", line 2\n    f(\n     ^\nSyntaxError: '(' was never closed`;
    expect(parseTraceback(text)[0]?.frames[0]).toMatchObject({ name: null, code: ['f('] });
  });

  test.each(['', 'Worker exited prematurely: signal 9 (SIGKILL) Job: 3.', 'None'])('is not in %j', (text) => {
    expect(parseTraceback(text)).toEqual([]);
  });
});

describe('frames', () => {
  test('of libraries stand folded, but for the last', () => {
    const [raised] = parseTraceback(RETRY);
    const shown = pieces(raised?.frames ?? []);
    expect(shown.map(({ kind }) => kind)).toEqual(['folded', 'frame', 'frame']);
    expect(shown.at(-1)).toMatchObject({ last: true, frame: { name: 'retry' } });
  });

  test('say whose they are', () => {
    const [raised] = parseTraceback(RQ);
    expect(packages(raised?.frames.slice(0, 2) ?? [])).toEqual(['rq']);
    expect(
      packages([
        ...(parseTraceback('  File "/usr/lib/python3.11/json/decoder.py", line 1, in f')[0]?.frames ?? []),
      ]),
    ).toEqual(['python']);
  });

  test.each([
    ['/usr/lib/python3.11/json/decoder.py', true],
    ['/usr/lib/python3/dist-packages/rq/job.py', true],
    ['C:\\app\\Lib\\site-packages\\celery\\app\\trace.py', true],
    ['<frozen importlib._bootstrap>', true],
    ['/src/celery/app/trace.py', true],
    ['/srv/celery/tasks.py', false],
    ['/srv/rq/jobs.py', false],
    ['/srv/project/library.py', false],
  ])('%s is a library’s: %s', (file, library) => {
    expect(isLibrary(file)).toBe(library);
  });

  test.each([
    [`${SITE}/celery/app/trace.py`, 'celery/app/trace.py'],
    ['/srv/app/src/archive/tasks/vod.py', 'archive/tasks/vod.py'],
    ['/usr/lib/python3.11/json/decoder.py', 'json/decoder.py'],
    ['vod.py', 'vod.py'],
  ])('%s is shown as %s', (file, short) => {
    expect(shortPath(file)).toBe(short);
  });
});
