/** What there is to say about a task in one line. */
import { tasks as words } from '$strings/tasks';
import { ahead, epoch } from '../../lib/format';
import type { Progress, Task } from '../../lib/protocol';
import { sentence } from '../../lib/reasons';
import { failureWords } from '../../task/shown';

export interface Saying {
  text: string;
  tone: 'plain' | 'failure' | 'quiet';
  progress?: Progress;
}

export function saying(task: Task, now: number): Saying {
  if (task.state === 'running' && task.progress !== null)
    return { text: task.progress.message ?? '', tone: 'plain', progress: task.progress };
  const planned = task.group === 'queued' || task.state === 'reserved' ? epoch(task.eta_at) : null;
  if (planned !== null && (planned > now || task.state !== 'queued')) return plan(task, planned, now);
  const failure = failureWords(task);
  if (failure !== '') return { text: failure, tone: bad(task) ? 'failure' : 'plain' };
  const detail = task.detail === task.state ? task.uncertain : (task.detail ?? task.uncertain);
  return { text: detail === null ? '' : sentence(detail), tone: 'quiet' };
}

const bad = (task: Task): boolean => task.state === 'failed' || task.state === 'lost';

function plan(task: Task, planned: number, now: number): Saying {
  const when = ahead(planned, now);
  const failure = failureWords(task);
  const text = task.state === 'retrying' ? words.rows.again(when) : when;
  return { text: failure === '' ? text : `${text} · ${failure}`, tone: 'plain' };
}
