/** Who looks at the page, and how one says so: `/api/session`. */
import {
  AWAY,
  STRANGE,
  TURNED_BACK,
  refusalOf,
  turnedBack,
  type Asked,
  type Refusal,
  type Told,
} from '../session/refusals';
import { endpoint } from './base';
import type { Mode, Who } from './protocol';
import { ADMITTED, on, REFUSED } from './session-events';
import { newTrace } from './trace';

export class Session {
  who = $state.raw<Who | null>(null);
  /** Who was known last on this page, until they leave it. */
  person = $state.raw<Who | null>(null);
  /** Why nobody is known who may see this. */
  refusal = $state.raw<Refusal | null>(null);
  /** Why nobody came back signed in from the provider. */
  turnedBack = $state.raw<Refusal | null>(takenBack());
  /** The first question was answered, or could not be. */
  asked = $state(false);
  #modes = $state.raw<readonly Mode[]>([]);
  #asking: Promise<void> | null = null;

  readonly modes: readonly Mode[] = $derived.by(() => this.who?.modes ?? this.#modes);
  readonly open: boolean = $derived.by(() => this.who?.authenticated === true);
  readonly #closed: boolean = $derived.by(
    () => this.refusal !== null || (this.who !== null && !this.who.authenticated),
  );
  /** Somebody has to sign in, or to be let in, before there is a page. */
  readonly shut: boolean = $derived.by(() => this.#closed && this.person === null);
  /** Who was in is not any more: their page stays until they or others sign in. */
  readonly ended: boolean = $derived.by(() => this.#closed && this.person !== null);
  /** Whose eyes the page is for: another value may see something else. */
  readonly seer: string = $derived.by(() => JSON.stringify([this.person?.name, this.person?.sources]));
  /** There is a session of ours to end: a proxy's and nobody's are not. */
  readonly canLeave: boolean = $derived.by(
    () => this.open && this.modes.some((mode) => mode === 'token' || mode === 'oidc'),
  );

  start(): () => void {
    return on(REFUSED, () => void this.refresh());
  }

  /** Ask again; questions at the same time are one. An api that does not answer changes nothing. */
  refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.asked = true;
      this.#asking = null;
    });
    return this.#asking;
  }

  /** @returns what is wrong with the token, or null. */
  async signIn(token: string): Promise<Refusal | null> {
    this.turnedBack = null;
    const answer = await send('POST', JSON.stringify({ token }));
    if ('refusal' in answer) return answer.refusal;
    this.#take(answer.who);
    return null;
  }

  /** @returns why it did not work, or null. */
  async signOut(): Promise<Refusal | null> {
    const answer = await send('DELETE');
    if ('refusal' in answer) return answer.refusal;
    this.leave();
    this.#take(answer.who);
    return null;
  }

  /** Forget who was here. */
  leave(): void {
    this.person = null;
  }

  async #ask(): Promise<void> {
    const answer = await send('GET');
    if ('who' in answer) this.#take(answer.who);
    else if (answer.status > 0 && answer.status < 500) {
      this.#modes = answer.modes;
      this.who = null;
      this.refusal = answer.refusal;
    }
  }

  #take(who: Who): void {
    const news = who.authenticated && !this.open;
    this.who = who;
    this.refusal = null;
    if (who.authenticated) {
      this.person = who;
      this.turnedBack = null;
    }
    if (news) dispatchEvent(new Event(ADMITTED));
  }
}

/** Read once: the address is passed on without it. */
function takenBack(): Refusal | null {
  const url = new URL(location.href);
  if (!url.searchParams.has(TURNED_BACK)) return null;
  const told = turnedBack(url.search);
  url.searchParams.delete(TURNED_BACK);
  history.replaceState(history.state, '', url);
  return told;
}

/** Where the company's provider is asked, and comes back to this very view. */
export function providerUrl(here: Location = location): string {
  const next = here.pathname + here.search + here.hash;
  return endpoint(`api/session/login?next=${encodeURIComponent(next)}`);
}

declare global {
  var earlySession: Promise<Response> | undefined;
}

/** What `public/early.js` asked before this code was there. */
function takeEarly(): Promise<Response> | undefined {
  const early = globalThis.earlySession;
  globalThis.earlySession = undefined;
  return early;
}

type Answer = { who: Who } | { status: number; refusal: Refusal; modes: Mode[] };

async function send(method: string, body: string | null = null): Promise<Answer> {
  const headers: Record<string, string> = { accept: 'application/json', ...newTrace() };
  if (body !== null) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    const early = method === 'GET' ? takeEarly() : undefined;
    response = await (early ??
      fetch(endpoint('api/session'), { method, headers, body, credentials: 'same-origin' }));
  } catch {
    return { status: 0, refusal: AWAY, modes: [] };
  }
  return read(response, method === 'POST' ? 'token' : 'who');
}

async function read(response: Response, asked: Asked): Promise<Answer> {
  const { status, ok } = response;
  try {
    const told = (await response.json()) as unknown;
    if (ok) return { who: told as Who };
    const { modes } = told as { modes?: Mode[] | null };
    return {
      status,
      refusal: refusalOf(response, told as Told, asked),
      modes: modes ?? [],
    };
  } catch {
    // Not the api's: a gateway without an api behind it, or a proxy that wants to know who this is.
    return { status, refusal: status >= 500 ? AWAY : STRANGE, modes: [] };
  }
}
