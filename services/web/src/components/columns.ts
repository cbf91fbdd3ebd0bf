/** The columns of a `DataTable`. */
export interface Column {
  id: string;
  label: string;
  /** A number: aligned at the end. */
  end?: boolean;
  /** The address that sorts by it; with its present direction. */
  sort?: { href: string; now: 'ascending' | 'descending' | 'none' } | undefined;
  /** A width as CSS has it; the others share what is left. */
  width?: string | undefined;
  /** What the heading means. */
  title?: string | undefined;
  /** Left out where the page is narrow. */
  wide?: boolean;
}
