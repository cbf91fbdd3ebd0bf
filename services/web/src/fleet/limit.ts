/** How many rows are drawn: some, and more when somebody asks for them. */
export const STEP = 100;
const MOST = 2_000;

export function limitOf(text: string | null): number {
  const asked = Number(text ?? STEP);
  return Number.isInteger(asked) && asked > 0 ? Math.min(MOST, asked) : STEP;
}
