/** Between moments and what a clock on the wall of a zone shows; epoch milliseconds. */

/** Of `ZoneState`. */
export interface Wall {
  day: (at: number) => string;
  clock: (at: number) => string;
}

/** As `<input type="datetime-local">` has it: 2026-03-09T14:03. */
export function wallText(wall: Wall, at: number): string {
  return `${wall.day(at)}T${wall.clock(at).slice(0, 5)}`;
}

/** The moment at which a clock of the zone shows this; null for what is no time. */
export function momentOf(wall: Wall, text: string): number | null {
  const wanted = Date.parse(`${text}Z`);
  if (Number.isNaN(wanted)) return null;
  const first = wanted - ahead(wall, wanted);
  return wanted - ahead(wall, first); // the other side of a change of the clocks
}

function ahead(wall: Wall, at: number): number {
  return Date.parse(`${wall.day(at)}T${wall.clock(at)}Z`) - Math.floor(at / 1000) * 1000;
}
