/** What the page's parts tell each other of the session, on `window`: whoever asks the api knows nothing of who signs in. */

/** The api does not know (any more) who asks. */
export const REFUSED = 'taskscope:refused';
/** Somebody signed in, or is known again: what failed meanwhile is worth another try. */
export const ADMITTED = 'taskscope:admitted';

/** @returns what ends it. */
export function on(event: typeof REFUSED | typeof ADMITTED, run: () => void): () => void {
  addEventListener(event, run);
  return () => {
    removeEventListener(event, run);
  };
}
