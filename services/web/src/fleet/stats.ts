/** What a list says above its rows. */
export interface FleetStat {
  label: string;
  value: string;
  note: string;
  title?: string | undefined;
  tone?: string | undefined;
  href?: string | undefined;
}

/** A filter of which one is chosen, with how many rows each has; '' is all. */
export interface Choice {
  /** In the address. */
  name: string;
  label: string;
  options: readonly { value: string; text: string; count: number; title?: string }[];
}
