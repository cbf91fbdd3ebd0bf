/** The address of the page as state; the browser's back and forward work. */
import { formatPlace, HOME, parsePlace, type Place } from './location';

export class PlaceState {
  current = $state.raw<Place>(parsePlace(location.hash));

  start(): () => void {
    const read = (): void => {
      this.current = parsePlace(location.hash);
    };
    addEventListener('popstate', read);
    addEventListener('hashchange', read);
    return () => {
      removeEventListener('popstate', read);
      removeEventListener('hashchange', read);
    };
  }

  /** What the address would be with `patch`. */
  href(patch: Partial<Place>): string {
    return formatPlace({ ...this.current, ...patch });
  }

  go(patch: Partial<Place>, how: 'push' | 'replace' = 'push'): void {
    const target = this.href(patch);
    if (target === location.hash) return;
    if (how === 'push') history.pushState(null, '', target);
    else history.replaceState(null, '', target);
    this.current = parsePlace(target);
  }

  clearFilters(): void {
    this.go({ ...HOME, task: this.current.task, view: this.current.view });
  }
}
