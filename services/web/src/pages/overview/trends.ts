/** now / before: 1 is unchanged; null: one of both is not known, or nothing was before. */
export function ratio(now: number | null | undefined, before: number | null | undefined): number | null {
  return now == null || !before ? null : now / before;
}
