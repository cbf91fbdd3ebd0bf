"""A WebSocket client that measures how long it takes from a task's change in the worker to the frame that tells it."""

import asyncio
import json
import sys
import time
from datetime import datetime

import websockets

FIELDS = ("finished_at", "started_at")


async def watch(url: str, seconds: float, subscription: dict[str, object]) -> dict[str, object]:
    """Join, read frames for `seconds`; latencies in milliseconds of tasks that ended meanwhile (`progress.at` for RQ's)."""
    latencies: list[float] = []
    frames = size = resyncs = 0
    seen: set[str] = set()
    async with websockets.connect(url, max_size=None, compression=None) as socket:
        await socket.send(json.dumps({"event": "join_task_monitoring", "data": subscription}))
        began = time.time()
        while (left := began + seconds - time.time()) > 0:
            try:
                text = await asyncio.wait_for(socket.recv(), left)
            except TimeoutError:
                break
            now = time.time()
            frames, size = frames + 1, size + len(text)
            message = json.loads(text)
            resyncs += message["event"] == "resync"
            for task in message.get("data", {}).get("upsert", ()):
                ended = task.get("finished_at")
                if ended and task["key"] not in seen:
                    seen.add(task["key"])
                    at = datetime.fromisoformat(ended).timestamp()
                    if at >= began:
                        latencies.append((now - at) * 1000)
    latencies.sort()
    pick = lambda share: latencies[min(len(latencies) - 1, int(share * len(latencies)))] if latencies else None  # noqa: E731
    return {
        "tasks": len(latencies), "frames": frames, "bytes": size, "resyncs": resyncs,
        "p50": pick(0.5), "p99": pick(0.99), "max": latencies[-1] if latencies else None,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(watch(sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])))))
