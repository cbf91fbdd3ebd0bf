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

/** A heading, and what it means. */
type Head = string | readonly [label: string, title: string];

/** Columns in the order of `looks`, with the catalogue's heads. */
export function columnsOf<Id extends string, Look extends object>(
  heads: Readonly<Record<Id, Head>>,
  looks: Readonly<Record<Id, Look>>,
): (Look & Pick<Column, 'label' | 'title'> & { id: Id })[] {
  return (Object.keys(looks) as Id[]).map((id) => {
    const [label = '', title] = [heads[id]].flat() as string[];
    return { id, label, title, ...looks[id] };
  });
}
