/** The address of the page as state; the browser's back and forward work. */
import { formatPlace, parsePlace, patched, type Page, type Patch, type Place } from './location';

/** What goes along to other pages. */
const SHARED = ['source'] as const;

export class PlaceState {
  current = $state.raw<Place>(parsePlace(location.hash));
  readonly page = $derived.by(() => this.current.page);
  readonly item = $derived.by(() => this.current.item);
  /** The source that everything is narrowed to. */
  readonly source = $derived.by(() => this.get('source'));

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

  get(name: string): string | null {
    return this.current.query[name] ?? null;
  }

  /** The values of a name that stand between commas. */
  list(name: string): string[] {
    return this.get(name)?.split(',').filter(Boolean) ?? [];
  }

  /** What the address would be with `patch`. */
  href(patch: Patch): string {
    return formatPlace({ ...this.current, query: patched(this.current.query, patch) });
  }

  /** The address of another page (or of this one without what was chosen): the source goes along. */
  to(page: Page, query: Patch = {}, item: string | null = null): string {
    const shared = Object.fromEntries(SHARED.map((name) => [name, this.get(name)] as const));
    return formatPlace({ page, item, query: patched({}, { ...shared, ...query }) });
  }

  go(patch: Patch, how: 'push' | 'replace' = 'push'): void {
    this.open(this.href(patch), how);
  }

  /** To an address as `href` and `to` make it. */
  open(target: string, how: 'push' | 'replace' = 'push'): void {
    if (target === location.hash) return;
    if (how === 'push') history.pushState(null, '', target);
    else history.replaceState(null, '', target);
    this.current = parsePlace(target);
  }

  /** Without filters; what is open stays open. */
  clearFilters(): void {
    this.open(
      this.to(this.page, { source: null, task: this.get('task'), sort: this.get('sort') }, this.item),
    );
  }
}
