"""Sends tasks of a batch at a rate, and writes each down as sent."""

import sys
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

from redis import Redis
from rq import Queue

from footage import jobs, place
from footage.app import index, vod_encode

Send = Callable[[str, int], object]
LINES = 50
LOOK_SECONDS = 0.5


def paced(batch: str, rate: float, seconds: float) -> Iterator[int]:
    """Numbers at `rate` a second, until the time is over or the batch is stopped; what was late is made good."""
    begun, looks = time.monotonic(), max(1, round(rate * LOOK_SECONDS))
    for number in range(round(rate * seconds)):
        if number % looks == 0 and place.is_stopped(batch):
            return
        pause = begun + number / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        yield number


def produce(batch: str, engine: str, rate: float, seconds: float) -> int:
    """How many were sent. Each is written down, too."""
    send = _rq(batch) if engine == "rq" else _celery(batch)
    lines: list[tuple[str, str, float, str]] = []
    sys.stdout.write("sending\n")
    sys.stdout.flush()
    number = -1
    for number in paced(batch, rate, seconds):
        task_id = str(uuid4())
        lines.append((task_id, "sent", time.time(), ""))
        send(task_id, number)
        if len(lines) >= LINES:
            place.write_all(batch, lines)
            lines = []
    place.write_all(batch, lines)
    return number + 1


def show(batch: str, engine: str, count: int, seconds: float) -> None:
    """Tasks that last, and say how far they are."""
    for _ in range(count):
        task_id = str(uuid4())
        place.write(batch, task_id, "sent")
        if engine == "rq":
            _queue().enqueue(jobs.video_thumbnails, batch, seconds, job_id=task_id)
        else:
            vod_encode.apply_async((batch, seconds), task_id=task_id)


def _celery(batch: str) -> Send:
    return lambda task_id, number: index.apply_async((batch, number), task_id=task_id)


def _rq(batch: str) -> Send:
    queue = _queue()
    return lambda task_id, number: queue.enqueue(jobs.index, batch, number, job_id=task_id)


def _queue() -> Queue:
    return Queue("footage", connection=Redis.from_url(place.RQ))
