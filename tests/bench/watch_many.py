"""So many WebSocket clients in one process: `python watch_many.py URL CLIENTS SECONDS`; event -> frame of all frames, in milliseconds.

There are ten different subscriptions. All clients of one get the same text, which is decoded once; when it came is taken for each.
"""

import asyncio
import json
import sys
import time
from datetime import datetime
from typing import Any

import websockets

SUBSCRIPTIONS = 10


def subscription(number: int) -> dict[str, Any]:
    """Each matches everything, and differs from the others."""
    return {"filter": {}, "sort": "-updated_at", "limit": 100 + number}


class Seen:
    """What the clients of one subscription saw."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.latest = ""
        self.ended: list[float] = []

    def ends(self, text: str) -> list[float]:
        """When the tasks ended that this frame is the first to tell of; the same for each client that gets it."""
        if text != self.latest:
            self.latest, self.ended = text, []
            for task in json.loads(text).get("data", {}).get("upsert", ()):
                if task.get("finished_at") and task["key"] not in self.keys:
                    self.keys.add(task["key"])
                    self.ended.append(datetime.fromisoformat(task["finished_at"]).timestamp())
        return self.ended


async def join(url: str, number: int) -> websockets.ClientConnection:
    """A client that has joined."""
    socket = await websockets.connect(url, max_size=None, compression=None)
    await socket.send(json.dumps({"event": "join_task_monitoring", "data": subscription(number)}))
    return socket


async def watch(socket: websockets.ClientConnection, seen: Seen, began: float, seconds: float, latencies: list[float]) -> int:
    """Until the time is over; how often the client was cut."""
    cuts = 0
    while (left := began + seconds - time.time()) > 0:
        try:
            text = str(await asyncio.wait_for(socket.recv(), left))
        except TimeoutError:
            break
        now = time.time()
        cuts += text.startswith('{"event":"resync"')
        latencies += [(now - at) * 1000 for at in seen.ends(text) if at >= began]
    await socket.close()
    return cuts


async def main(url: str, clients: int, seconds: float) -> None:
    """All clients at once; the time begins when all have joined."""
    latencies: list[float] = []
    seen = [Seen() for _ in range(SUBSCRIPTIONS)]
    sockets = await asyncio.gather(*(join(url, number % SUBSCRIPTIONS) for number in range(clients)))
    began = time.time()
    watching = (watch(socket, seen[at % SUBSCRIPTIONS], began, seconds, latencies) for at, socket in enumerate(sockets))
    cuts = await asyncio.gather(*watching)
    latencies.sort()
    print(json.dumps({"frames": len(latencies), "cuts": sum(cuts), "p50": pick(latencies, 0.5), "p99": pick(latencies, 0.99)}))


def pick(values: list[float], share: float) -> float | None:
    """The quantile of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
