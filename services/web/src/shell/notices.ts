/** What the page has to say about itself and the sources: a list that one line folds. */
import { shell } from '$strings/shell';
import type { Source } from '../lib/protocol';
import { sentence } from '../lib/reasons';

export interface Told {
  /** With another one it comes back after it was dismissed. */
  id: string;
  tone: 'warn' | 'bad';
  title: string;
  text: string;
  /** The source that it is about: its page says what to do. */
  source?: string;
  action?: 'retry' | 'dismiss' | 'complaint';
}

export interface Situation {
  health: string;
  sources: readonly Source[];
  /** Time of the newest message, as text. */
  seen: string;
  complaint: string | null;
}

const words = shell.notices;

/** The worst first. */
export function noticesOf({ health, sources, seen, complaint }: Situation): Told[] {
  const found: Told[] = [];
  if (health === 'reconnecting') found.push(interrupted(seen));
  if (health === 'stale') found.push(behind(sources));
  if (complaint !== null)
    found.push({
      id: `complaint: ${complaint}`,
      tone: 'warn',
      title: words.complaint,
      text: complaint,
      action: 'complaint',
    });
  const ill = sources.filter(({ status }) => status === 'down' || status === 'degraded').map(illness);
  return [...found, ...ill].sort((a, b) => Number(b.tone === 'bad') - Number(a.tone === 'bad'));
}

/** One line for all of them. */
export function folded(notices: readonly Told[]): string {
  const [first] = notices;
  if (notices.length === 1 && first !== undefined) return first.title;
  const down = notices.filter((told) => told.source !== undefined && told.tone === 'bad').length;
  const degraded = notices.filter((told) => told.source !== undefined && told.tone === 'warn').length;
  const own = notices
    .filter((told) => told.source === undefined)
    .map((told) => told.title.replace(/\.$/, ''));
  const parts = [
    ...own,
    ...(down > 0 ? [words.several.down(down)] : []),
    ...(degraded > 0 ? [words.several.degraded(degraded)] : []),
  ];
  return `${parts.join(words.several.and)}.`;
}

function interrupted(seen: string): Told {
  const { reconnecting: title, reconnectingText } = words;
  return { id: 'reconnecting', tone: 'warn', title, text: reconnectingText(seen), action: 'retry' };
}

function behind(sources: readonly Source[]): Told {
  const which = sources.filter((source) => source.stale !== null);
  const names = which.map((source) => source.name).join(', ');
  const why = [...new Set(which.map((source) => sentence(source.stale ?? '')))].join('; ');
  const text = words.staleText(which.length > 0 ? words.staleSources(names, why) : '');
  return { id: 'stale', tone: 'warn', title: words.stale, text };
}

function illness({ name, status, reason }: Source): Told {
  const down = status === 'down';
  const why = sentence(reason ?? words.noReason).replace(/([^.?!])$/, '$1.');
  return {
    id: `${name} ${status}: ${reason ?? ''}`,
    tone: down ? 'bad' : 'warn',
    title: down ? words.down(name) : words.degraded(name),
    text: down ? `${why} ${words.downText}` : why,
    source: name,
    action: 'dismiss',
  };
}
