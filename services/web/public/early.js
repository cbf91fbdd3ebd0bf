// Runs before the first paint.

// A remembered theme does not flash the other one.
try {
  const theme = localStorage.getItem('taskscope.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden: the system's theme stays.
}

// The files of the page that is opened come with the app's, not after them.
const { dataset } = document.currentScript;
const files = dataset[location.hash.slice(1).split(/[/?]/)[0]] ?? dataset.overview ?? '';
for (const href of files.split(' ').filter(Boolean))
  document.head.append(Object.assign(document.createElement('link'), { rel: 'modulepreload', href }));
