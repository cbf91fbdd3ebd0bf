/** The outline of a small area: values at even distances, with gaps where there are none. */
export function areaPath(values: readonly (number | null)[], width: number, height: number): string {
  const top = Math.max(1, ...values.map((value) => value ?? 0));
  const step = width / Math.max(1, values.length);
  const x = (at: number): string => (at * step).toFixed(1);
  const y = (value: number): string => (height - 1 - (value / top) * (height - 2)).toFixed(1);
  return runs(values)
    .map(({ from, run }) => {
      const line = run.map((value, at) => `V${y(value)}H${x(from + at + 1)}`).join('');
      return `M${x(from)} ${height}${line}V${height}z`;
    })
    .join('');
}

interface Run {
  from: number;
  run: number[];
}

/** What is known without a gap. */
function runs(values: readonly (number | null)[]): Run[] {
  const all: Run[] = [];
  let open: Run | null = null;
  for (const [at, value] of values.entries()) {
    if (value === null) open = null;
    else if (open === null) all.push((open = { from: at, run: [value] }));
    else open.run.push(value);
  }
  return all;
}
