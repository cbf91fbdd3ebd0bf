import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Connection, DEAD_MS, PROBE_MS, type Link } from '../../src/lib/connection';
import { snapshot } from './samples';

class FakeSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: { event: string; data: Record<string, unknown> }[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as (typeof this.sent)[number]);
  }

  close(): void {
    this.closed = true;
  }

  says(event: string, data: unknown): void {
    this.onmessage?.({ data: JSON.stringify({ event, data }) });
  }
}

function harness(): {
  sockets: FakeSocket[];
  links: Link[];
  connection: Connection;
  token: (value: string) => void;
} {
  const sockets: FakeSocket[] = [];
  const links: Link[] = [];
  let position: string | null = null;
  const connection = new Connection({
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    subscription: () => ({ filter: {}, sort: 'live', limit: 100, fields: null }),
    position: () => position,
    onMessage: () => undefined,
    onLink: (link) => {
      links.push(link);
    },
    random: () => 1,
  });
  return {
    ...{ sockets, links, connection },
    token: (value) => {
      position = value;
    },
  };
}

const served = (socket: FakeSocket | undefined): void => {
  socket?.onopen?.();
  socket?.says('task_updates', snapshot([]));
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the connection', () => {
  test('joins when it opens and is live with the first snapshot', () => {
    const { sockets, links, connection } = harness();
    connection.start();
    served(sockets[0]);
    expect(sockets[0]?.sent).toMatchObject([
      { event: 'join_task_monitoring', data: { since: null, sort: 'live' } },
    ]);
    expect(links).toEqual(['connecting', 'live']);
  });

  test('resumes by the position it holds', () => {
    const { sockets, connection, token } = harness();
    connection.start();
    served(sockets[0]);
    token('here');
    sockets[0]?.onclose?.();
    vi.advanceTimersByTime(500);
    sockets[1]?.onopen?.();
    expect(sockets[1]?.sent[0]?.data).toMatchObject({ since: 'here' });
  });

  test('backs off, and begins anew after it was served', () => {
    const { sockets, connection } = harness();
    connection.start();
    for (const wait of [500, 1000, 2000, 4000, 8000, 15_000, 15_000]) {
      const before = sockets.length;
      sockets.at(-1)?.onclose?.();
      vi.advanceTimersByTime(wait - 1);
      expect(sockets.length).toBe(before);
      vi.advanceTimersByTime(1);
      expect(sockets.length).toBe(before + 1);
    }
    served(sockets.at(-1));
    sockets.at(-1)?.onclose?.();
    const before = sockets.length;
    vi.advanceTimersByTime(500);
    expect(sockets.length).toBe(before + 1);
  });

  test('never has two sockets', () => {
    const { sockets, connection } = harness();
    connection.start();
    connection.start();
    connection.retryNow();
    served(sockets[0]);
    connection.retryNow();
    expect(sockets.length).toBe(1);
    sockets[0]?.onclose?.();
    connection.retryNow();
    connection.retryNow();
    vi.advanceTimersByTime(60_000);
    expect(sockets.filter((socket) => !socket.closed).length).toBe(1);
  });

  test('asks into a silence, and opens a new socket when nothing answers', () => {
    const { sockets, links, connection } = harness();
    connection.start();
    served(sockets[0]);
    vi.advanceTimersByTime(PROBE_MS + 1000);
    expect(sockets[0]?.sent.at(-1)?.event).toBe('request_task_updates');
    expect(sockets[0]?.sent.length).toBe(2);
    vi.advanceTimersByTime(DEAD_MS - PROBE_MS);
    expect(sockets[0]?.closed).toBe(true);
    expect(links.at(-1)).toBe('reconnecting');
    vi.advanceTimersByTime(500);
    expect(sockets.length).toBe(2);
  });

  test('joins again when the server cut its queue', () => {
    const { sockets, connection } = harness();
    connection.start();
    served(sockets[0]);
    sockets[0]?.says('resync', { reason: 'too slow' });
    expect(sockets[0]?.sent.map((message) => message.event)).toEqual([
      'join_task_monitoring',
      'join_task_monitoring',
    ]);
  });

  test('passes over what is not JSON', () => {
    const { sockets, links, connection } = harness();
    connection.start();
    sockets[0]?.onopen?.();
    sockets[0]?.onmessage?.({ data: '{' });
    sockets[0]?.onmessage?.({ data: new ArrayBuffer(2) });
    served(sockets[0]);
    expect(links.at(-1)).toBe('live');
  });

  test('is silent once it was stopped', () => {
    const { sockets, connection } = harness();
    connection.start();
    served(sockets[0]);
    connection.stop();
    vi.advanceTimersByTime(120_000);
    expect([sockets.length, sockets[0]?.closed]).toEqual([1, true]);
  });
});
