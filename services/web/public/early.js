// Runs before the first paint.

// A remembered theme does not flash the other one.
try {
  const theme = localStorage.getItem('taskscope.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden: the system's theme stays.
}

// Who may see the page: asked while its code is on its way. src/lib/session.svelte.ts takes the answer, once.
globalThis.earlySession = fetch('api/session', { headers: { accept: 'application/json' } });
globalThis.earlySession.catch(() => undefined); // who takes it hears of it

// The files of the page that is opened come with the app's, not after them.
const { dataset } = document.currentScript;
const files = dataset[location.hash.slice(1).split(/[/?]/)[0]] ?? dataset.overview ?? '';
for (const href of files.split(' ').filter(Boolean))
  document.head.append(Object.assign(document.createElement('link'), { rel: 'modulepreload', href }));
