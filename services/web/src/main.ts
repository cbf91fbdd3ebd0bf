import { mount } from 'svelte';
import './styles/tokens.css';
import './styles/base.css';
import App from './App.svelte';
import { Session } from './lib/session.svelte';

/** The answer who this is has mostly come before this code; with it what is live is asked for before the frame is drawn. */
const PATIENCE_MS = 10;

async function start(target: HTMLElement): Promise<void> {
  const session = new Session();
  await Promise.race([session.refresh(), new Promise((go) => setTimeout(go, PATIENCE_MS))]);
  mount(App, { target, props: { session } });
}

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');
void start(target);
