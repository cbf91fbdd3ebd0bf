/** Who takes from a queue. */
import { isThere } from '../../fleet/there';
import type { Queue, Source, Worker } from '../../lib/protocol';

export function takers(queue: Queue, workers: readonly Worker[]): Worker[] {
  return workers.filter(
    (worker) => worker.source === queue.source && worker.queues?.includes(queue.name) === true,
  );
}

/**
 * The queue with the consumers that are there. Where the broker does not count them, the workers are counted that said once that
 * they take from it: a lost one no longer does. AMQP's own count stands as it is.
 */
export function withConsumers(queue: Queue, workers: readonly Worker[], sources: readonly Source[]): Queue {
  const broker = sources.find(({ name }) => name === queue.source)?.transport;
  if (queue.engine !== 'celery' || queue.consumers === null || broker?.startsWith('amqp') === true)
    return queue;
  const all = takers(queue, workers);
  const there = all.filter(isThere).length;
  const consumers = Math.max(there, queue.consumers - (all.length - there));
  return consumers === queue.consumers ? queue : { ...queue, consumers };
}
