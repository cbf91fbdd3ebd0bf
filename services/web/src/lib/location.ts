/** The page's state as an address: `#realtime?kind=vod&state=failed&task=source/id`. */

export interface Place {
  kind: string | null;
  source: string | null;
  queue: string | null;
  worker: string | null;
  states: string[];
  sort: string | null;
  task: string | null;
  view: 'tasks' | 'infrastructure';
}

export const HOME: Place = {
  kind: null,
  source: null,
  queue: null,
  worker: null,
  states: [],
  sort: null,
  task: null,
  view: 'tasks',
};

export function parsePlace(hash: string): Place {
  const query = new URLSearchParams(hash.split('?').slice(1).join('?'));
  const text = (name: string): string | null => {
    const value = query.get(name);
    return value === null || value === '' ? null : value;
  };
  return {
    kind: text('kind'),
    source: text('source'),
    queue: text('queue'),
    worker: text('worker'),
    states: text('state')?.split(',').filter(Boolean) ?? [],
    sort: text('sort'),
    task: text('task'),
    view: text('view') === 'infrastructure' ? 'infrastructure' : 'tasks',
  };
}

export function formatPlace(place: Place): string {
  const parts: [string, string | null][] = [
    ['source', place.source],
    ['kind', place.kind],
    ['state', place.states.length > 0 ? place.states.join(',') : null],
    ['queue', place.queue],
    ['worker', place.worker],
    ['sort', place.sort],
    ['view', place.view === 'tasks' ? null : place.view],
    ['task', place.task],
  ];
  const query = parts.flatMap(([name, value]) => (value === null ? [] : [`${name}=${readable(value)}`]));
  return query.length > 0 ? `#realtime?${query.join('&')}` : '#realtime';
}

/** Encoded as far as it must be: an address that people pass on should be readable. */
function readable(value: string): string {
  return encodeURIComponent(value).replaceAll('%2F', '/').replaceAll('%2C', ',').replaceAll('%40', '@');
}
