/**
 * Where each entry of the history was scrolled to, kept in its own state: pages come in parts, and a browser that restores
 * before they are there ends at the top.
 */

const PATIENCE_MS = 3_000;
const STILL_MS = 120;

export class Scroll {
  #wanted: number | null = null;
  #until = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  start(): () => void {
    history.scrollRestoration = 'manual';
    this.#seek(history.state);
    const end = new AbortController();
    const { signal } = end;
    addEventListener(
      'popstate',
      (event) => {
        this.#seek(event.state);
      },
      { signal },
    );
    addEventListener(
      'scroll',
      () => {
        this.#later();
      },
      { signal, passive: true },
    );
    for (const touched of ['wheel', 'touchmove', 'keydown', 'pointerdown'] as const)
      addEventListener(touched, () => (this.#wanted = null), { signal, passive: true });
    return () => {
      end.abort();
    };
  }

  /** Another page is shown: from its top, or from where it was left. */
  arrived(): void {
    if (this.#wanted === null) scrollTo({ top: 0 });
    else this.#follow();
  }

  #seek(state: unknown): void {
    this.#wanted = placeOf(state);
    this.#until = performance.now() + PATIENCE_MS;
    if (this.#wanted !== null) this.#follow();
  }

  /** Again each frame, until the page is long enough, or somebody scrolls. */
  #follow(): void {
    requestAnimationFrame((now) => {
      if (this.#wanted === null) return;
      scrollTo({ top: this.#wanted, behavior: 'instant' });
      if (now < this.#until) this.#follow();
      else this.#wanted = null;
    });
  }

  #later(): void {
    if (this.#wanted !== null) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const entry = location.href;
    this.#timer = setTimeout(() => {
      if (location.href === entry) history.replaceState({ scroll: Math.round(scrollY) }, '');
    }, STILL_MS);
  }
}

function placeOf(state: unknown): number | null {
  if (typeof state !== 'object' || state === null || !('scroll' in state)) return null;
  return typeof state.scroll === 'number' ? state.scroll : null;
}
