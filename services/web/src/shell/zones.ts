/** Time zones by what people call them. */
import { fuzzy } from './fuzzy';

/** All that this browser knows: `Europe/Berlin`. */
export function zones(): readonly string[] {
  return Intl.supportedValuesOf('timeZone');
}

/** `America/Argentina/Buenos_Aires` → `Buenos Aires, Argentina, America`. */
export function zoneName(zone: string): string {
  return zone.replaceAll('_', ' ').split('/').reverse().join(', ');
}

/** The best `limit` of them, best first. */
export function findZones(typed: string, all: readonly string[], limit: number): string[] {
  return all
    .map((zone) => ({ zone, score: fuzzy(typed, zoneName(zone))?.score ?? null }))
    .filter((found): found is { zone: string; score: number } => found.score !== null)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map(({ zone }) => zone);
}
