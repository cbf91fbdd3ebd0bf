/** One WebSocket that is kept open: joins, resumes by position, probes silence, backs off. */
import type { ServerMessage, Subscription } from './protocol';
import { newTrace } from './trace';

export type Link = 'connecting' | 'live' | 'reconnecting';

/** What is used of a WebSocket; tests bring their own. */
export type Socket = Pick<WebSocket, 'onopen' | 'onmessage' | 'onclose' | 'send' | 'close'>;

export interface Options {
  open: () => Socket;
  subscription: () => Subscription;
  /** The resume token of what is held for the current subscription. */
  position: () => string | null;
  onMessage: (message: ServerMessage) => void;
  onLink: (link: Link, retryAt: number | null) => void;
  random?: () => number;
  now?: () => number;
}

export const PROBE_MS = 10_000;
export const DEAD_MS = 16_000;
const CHECK_MS = 1_000;
const FIRST_MS = 500; // 0.5, 1, 2, 4, 8, 15 s, each between half and all of it
const MOST_MS = 15_000;

export class Connection {
  readonly #options: Options;
  readonly #random: () => number;
  readonly #now: () => number;
  #socket: Socket | null = null;
  #stopped = true;
  #open = false;
  #served = false;
  #failures = 0;
  #heard = 0;
  #probed = false;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #check: ReturnType<typeof setInterval> | null = null;

  constructor(options: Options) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? Date.now;
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#check = setInterval(() => {
      this.#listen();
    }, CHECK_MS);
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
    if (this.#check !== null) clearInterval(this.#check);
    this.#drop();
  }

  /** Join anew, because the subscription changed. */
  rejoin(): void {
    if (this.#open) this.#join();
  }

  /** Do not wait for the back-off. */
  retryNow(): void {
    if (this.#stopped || this.#socket !== null) return;
    this.#cancelRetry();
    this.#connect();
  }

  request(): void {
    if (this.#open) this.#send('request_task_updates', {});
  }

  #connect(): void {
    if (this.#socket !== null) return;
    this.#options.onLink(this.#served ? 'reconnecting' : 'connecting', null);
    this.#heard = this.#now();
    this.#probed = false;
    let socket: Socket;
    try {
      socket = this.#options.open();
    } catch {
      this.#later();
      return;
    }
    this.#socket = socket;
    socket.onopen = () => {
      this.#open = true;
      this.#heard = this.#now();
      this.#join();
    };
    socket.onmessage = (event) => {
      this.#receive(event.data);
    };
    socket.onclose = () => {
      this.#drop();
      this.#later();
    };
  }

  #receive(data: unknown): void {
    this.#heard = this.#now();
    this.#probed = false;
    const message = parse(data);
    if (message === null) return;
    if (message.event === 'resync') this.#join();
    this.#options.onMessage(message);
    if (message.event !== 'task_updates') return;
    this.#failures = 0;
    this.#served = true;
    this.#options.onLink('live', null);
  }

  #join(): void {
    this.#send('join_task_monitoring', {
      ...this.#options.subscription(),
      since: this.#options.position(),
    });
  }

  #send(event: string, data: unknown): void {
    this.#socket?.send(JSON.stringify({ event, data, ...newTrace() }));
  }

  /** A browser does not show the protocol's pings: silence is answered by asking, and then by a new socket. */
  #listen(): void {
    if (this.#socket === null) return;
    const silence = this.#now() - this.#heard;
    if (silence >= DEAD_MS) {
      this.#drop();
      this.#later();
    } else if (silence >= PROBE_MS && this.#open && !this.#probed) {
      this.#probed = true;
      this.request();
    }
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#open = false;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #later(): void {
    if (this.#stopped || this.#retry !== null) return;
    const most = Math.min(MOST_MS, FIRST_MS * 2 ** this.#failures);
    const wait = most * (0.5 + this.#random() / 2);
    this.#failures += 1;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#connect();
    }, wait);
    this.#options.onLink('reconnecting', this.#now() + wait);
  }

  #cancelRetry(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }
}

function parse(data: unknown): ServerMessage | null {
  if (typeof data !== 'string') return null;
  try {
    return JSON.parse(data) as ServerMessage;
  } catch {
    return null;
  }
}
