/** Everything that the command palette can lead to or do. */
import { palette as words } from '$strings/palette';
import { shell } from '$strings/shell';
import type { IconName } from '../components/icons';
import { formatPlace, PAGES, parsePlace } from '../lib/location';
import type { Monitor } from '../lib/monitor';
import { kindName } from '../lib/reasons';
import { STATES } from '../lib/states';
import { LOCAL, localZone } from '../lib/zone.svelte';
import type { Item } from './finds';
import type { FoundTask } from './lookup.svelte';
import { PAGE_INFO } from './pages';
import { zoneName } from './zones';

type Of = Pick<Monitor, 'kinds' | 'live' | 'place' | 'session' | 'theme' | 'zone'>;

export function pageItems({ place }: Of): Item[] {
  return PAGES.map((page) => ({
    id: `page ${page}`,
    group: 'page',
    text: shell.pages[page],
    hint: `g ${PAGE_INFO[page].key}`,
    icon: PAGE_INFO[page].icon,
    href: place.to(page),
  }));
}

/** All but the present view. */
export function recentItems(views: readonly string[], present: string): Item[] {
  return views
    .filter((view) => view !== present && formatPlace(parsePlace(view)) === view)
    .map((view) => ({
      id: `recent ${view}`,
      group: 'recent',
      text: describe(view),
      icon: iconOf(view),
      href: view,
    }));
}

/** `#tasks?q=state:failed&source=media` → `Tasks · state:failed · media`. */
export function describe(view: string): string {
  const { page, item, query } = parsePlace(view);
  const parts = Object.entries(query).map(([name, value]) =>
    name === 'q' || name === 'source' ? value : `${name} ${value}`,
  );
  return [shell.pages[page], ...(item === null ? [] : [item]), ...parts].join(' · ');
}

function iconOf(view: string): IconName {
  return PAGE_INFO[parsePlace(view).page].icon;
}

export function fleetItems({ kinds, live, place }: Of, names: readonly string[]): Item[] {
  const several = live.sources.length > 1;
  const engine = (
    { name, source, key }: { name: string; source: string; key: string },
    page: 'queues' | 'workers',
  ) =>
    ({
      id: `${page} ${key}`,
      group: page === 'queues' ? 'queue' : 'worker',
      text: name,
      hint: several ? source : undefined,
      icon: page,
      href: place.to(page, {}, key),
    }) as const;
  const tasks = (q: string): string => place.to('tasks', { q });
  return [
    ...live.queues.map((queue) => engine(queue, 'queues')),
    ...live.workers.map((worker) => engine(worker, 'workers')),
    ...names.map((name): Item => ({
      id: `name ${name}`,
      group: 'name',
      text: name,
      icon: 'tasks',
      href: tasks(`name:${quoted(name)}`),
    })),
    ...kinds().map((kind): Item => ({
      id: `kind ${kind}`,
      group: 'kind',
      text: words.kind(kindName(kind)),
      icon: 'filter',
      href: tasks(`kind:${quoted(kind)}`),
    })),
    ...(several
      ? sourceItems(
          live.sources.map((source) => source.name),
          place,
        )
      : []),
  ];
}

function sourceItems(names: readonly string[], place: Of['place']): Item[] {
  const one = (text: string, source: string | null): Item => ({
    id: `source ${source ?? ''}`,
    group: 'source',
    text,
    icon: 'sources',
    href: place.href({ source }),
  });
  return [...names.map((name) => one(words.source(name), name)), one(words.allSources, null)];
}

export function commandItems({ session, theme, zone }: Of, sheet: () => void): Item[] {
  const command = (text: string, icon: IconName, run: () => void, hint?: string): Item => ({
    id: `command ${text}`,
    group: 'command',
    text,
    icon,
    run,
    hint,
  });
  return [
    command(words.copy, 'link', () => void navigator.clipboard.writeText(location.href)),
    command(words.keyboard, 'keyboard', sheet, '?'),
    ...(
      [
        ['light', 'sun'],
        ['dark', 'moon'],
        ['system', 'screen'],
      ] as const
    )
      .filter(([value]) => value !== theme.current)
      .map(([value, icon]) =>
        command(words.theme[value], icon, () => {
          theme.choose(value);
        }),
      ),
    command(words.zone('UTC'), 'globe', () => {
      zone.choose('UTC');
    }),
    command(words.local(localZone()), 'globe', () => {
      zone.choose(LOCAL);
    }),
    ...(session.canLeave ? [command(words.signOut, 'leave', () => void session.signOut())] : []),
  ];
}

export function zoneItems({ zone }: Of, zones: readonly string[]): Item[] {
  return zones.map((name) => ({
    id: `zone ${name}`,
    group: 'zone',
    text: zoneName(name),
    hint: words.zoneHint,
    icon: 'globe',
    run: () => {
      zone.choose(name);
    },
  }));
}

export function taskItems({ place }: Of, tasks: readonly FoundTask[]): Item[] {
  return tasks.map(({ source, id, task }) => ({
    id: `task ${source}/${id}`,
    group: 'task',
    text: task?.name ?? id,
    hint: task === null ? words.seen.in(source) : `${STATES[task.state].label} ${words.seen.in(source)}`,
    icon: 'tasks',
    href: place.to('tasks', {}, `${source}/${id}`),
  }));
}

export function searchItem({ place }: Of, typed: string): Item {
  return {
    id: 'search',
    group: 'search',
    text: words.search(typed),
    icon: 'search',
    href: place.to('tasks', { q: typed }),
  };
}

/** As the search of the tasks page takes a value. */
function quoted(value: string): string {
  return /\s/.test(value) ? `"${value}"` : value;
}
