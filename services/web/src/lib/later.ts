/** What is loaded or done when it is needed. */

const FIRST_MS = 1_000; // 1, 2, 4, 8, 15 s
const MOST_MS = 15_000;

/**
 * What `load` (an `import()`) brings, asked for again as long as it fails: a connection that broke meanwhile comes back, and with it the
 * part of the page that waits. It never rejects.
 */
export async function later<Module>(load: () => Promise<Module>): Promise<Module> {
  for (let wait = FIRST_MS; ; wait = Math.min(MOST_MS, 2 * wait)) {
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** After the next frame was painted; to be returned from an effect. */
export function afterPaint(run: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const frame = requestAnimationFrame(() => {
    timer = setTimeout(run);
  });
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}
