/** Who looks at the page, and how one says so: `/api/session`. */
import { endpoint } from './base';
import type { Problem, Who } from './protocol';
import { newTrace } from './trace';

export class Session {
  who = $state.raw<Who | null>(null);
  /** Why nobody is known who may see this, as the api says it. */
  refusal = $state<string | null>(null);
  /** The first question was answered, or could not be. */
  asked = $state(false);
  #asking: Promise<void> | null = null;

  readonly open: boolean = $derived.by(() => this.who?.authenticated === true);
  /** Somebody has to sign in, or to be let in. */
  readonly shut: boolean = $derived.by(
    () => this.refusal !== null || (this.who !== null && !this.who.authenticated),
  );
  /** There is a session of ours to end: a proxy's and nobody's are not. */
  readonly canLeave: boolean = $derived.by(
    () => this.open && (this.who?.modes ?? []).some((mode) => mode === 'token' || mode === 'oidc'),
  );

  /** Ask again; questions at the same time are one. An api that does not answer changes nothing. */
  refresh(): Promise<void> {
    this.#asking ??= this.#ask('GET').finally(() => {
      this.asked = true;
      this.#asking = null;
    });
    return this.#asking;
  }

  /** @returns what is wrong with the token, or null. */
  async signIn(token: string): Promise<string | null> {
    const response = await send('POST', JSON.stringify({ token }));
    if (response === null) return 'The api does not answer. Try again in a moment.';
    if (!response.ok) return problem(response);
    this.#take((await response.json()) as Who);
    return null;
  }

  async signOut(): Promise<void> {
    await this.#ask('DELETE');
  }

  async #ask(method: 'GET' | 'DELETE'): Promise<void> {
    const response = await send(method);
    if (response === null || response.status >= 500) return;
    if (response.ok) this.#take((await response.json()) as Who);
    else this.refusal = await problem(response);
  }

  #take(who: Who): void {
    this.who = who;
    this.refusal = null;
  }
}

/** Where the company's provider is asked, and comes back to this very view. */
export function providerUrl(here: Location = location): string {
  const next = here.pathname + here.search + here.hash;
  return endpoint(`api/session/login?next=${encodeURIComponent(next)}`);
}

async function send(method: string, body: string | null = null): Promise<Response | null> {
  const headers: Record<string, string> = { accept: 'application/json', ...newTrace() };
  if (body !== null) headers['content-type'] = 'application/json';
  try {
    return await fetch(endpoint('api/session'), { method, headers, body, credentials: 'same-origin' });
  } catch {
    return null;
  }
}

async function problem(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    return body.detail ?? body.title ?? response.statusText;
  } catch {
    return response.statusText;
  }
}
