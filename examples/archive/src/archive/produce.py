"""Keeps the archive busy: `python -m archive.produce` sends Celery tasks and RQ jobs until it is stopped.

It looks at the queues before it sends, so that there is always something to do and never much waiting.
"""

import itertools
import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import Any

from celery import chain, chord, group
from redis import Redis
from rq import Queue, Retry

from archive import config, jobs
from archive.celery_app import app
from archive.tasks import cleanup, transcription, vod

TICK_SECONDS = 0.6
REPORT_SECONDS = 10.0
CLEANUP_SECONDS = 120.0
"""Older files are deleted: nothing works on one so long."""
BACKLOG = {"vod": 6, "transcription": 6, "cleanup": 4, "media": 3}
"""Queue -> waiting messages above which nothing more is sent to it."""


class Producer:
    """Sends one piece of work each tick; which one is drawn by weight from those whose queue has room."""

    def __init__(self, settings: config.Config, dice: random.Random) -> None:
        self._broker = Redis.from_url(settings.broker_url)
        self._rq = Redis.from_url(settings.rq_url)
        self._media = Queue("media", connection=self._rq)
        self._exports = Queue("exports", connection=self._rq)
        self._dice = dice
        self._numbers = itertools.count(1)
        self._to_revoke: list[tuple[float, str]] = []
        self.sent = {"celery": 0, "rq": 0}

    def tick(self) -> None:
        """Send something, and revoke what is due."""
        room = [(weight, send) for weight, queue, send in self._menu() if self._waiting(queue) < BACKLOG[queue]]
        for send in self._dice.choices([send for _, send in room], [weight for weight, _ in room], k=1) if room else ():
            send()
        self._revoke_due(time.monotonic())

    def waiting(self) -> dict[str, int]:
        """Queue -> messages waiting in it."""
        return {queue: self._waiting(queue) for queue in BACKLOG}

    def _menu(self) -> Iterator[tuple[int, str, Callable[[], None]]]:
        yield 6, "vod", self._process
        yield 2, "vod", self._segments
        yield 2, "vod", self._fetch
        yield 1, "vod", self._probe
        yield 1, "vod", self._revoked
        yield 1, "vod", self._tomorrow
        yield 6, "transcription", self._transcribe
        yield 1, "transcription", self._import
        yield 3, "cleanup", self._clean
        yield 4, "media", self._thumbnails
        yield 2, "media", self._export
        yield 1, "media", self._mirror
        yield 1, "media", self._catalogue
        yield 1, "media", self._later
        yield 1, "media", self._cancelled

    def _waiting(self, queue: str) -> int:
        if queue == "media":
            return len(self._media) + len(self._exports)
        length: Any = self._broker.llen(queue)
        return int(length)

    def _title(self, what: str) -> str:
        return f"{what}-{next(self._numbers):05}"

    def _seconds(self, low: float, high: float) -> float:
        return round(self._dice.uniform(low, high), 1)

    def _count(self, engine: str, tasks: int = 1) -> None:
        self.sent[engine] += tasks

    # -------------------------------------------------------------------------------------------------------- Celery

    def _process(self) -> None:
        vod.process_vod.delay(self._title("council"), self._seconds(3, 20))
        self._count("celery")

    def _segments(self) -> None:
        title, parts = self._title("festival"), self._dice.randint(2, 4)
        header = group(vod.encode_segment.s(title, index, self._seconds(1, 5)) for index in range(parts))
        chord(header)(vod.publish_vod.s(title))
        self._count("celery", parts + 1)

    def _fetch(self) -> None:
        title = self._title("interview")
        vod.fetch_video.delay(title)
        vod.record_video.apply_async((title, self._seconds(1, 4)), countdown=5)
        self._count("celery", 2)

    def _probe(self) -> None:
        vod.probe_video.delay(self._title("broken"))
        self._count("celery")

    def _revoked(self) -> None:
        """Every second one is revoked while it waits for its time, the others while they run."""
        if self._dice.random() < 0.5:
            sent = vod.process_vod.apply_async((self._title("withdrawn"), 5.0), countdown=30)
        else:
            sent = vod.process_vod.delay(self._title("aborted"), 20.0)
        self._to_revoke.append((time.monotonic() + 8.0, sent.id))
        self._count("celery")

    def _tomorrow(self) -> None:
        vod.process_vod.apply_async((self._title("premiere"), self._seconds(3, 8)), countdown=self._dice.choice([10, 20, 40]))
        self._count("celery")

    def _transcribe(self) -> None:
        title = self._title("speech")
        detect = transcription.detect_transcription_language.s(title, self._seconds(2, 12))
        chain(detect, transcription.transcribe.s(), transcription.subtitle_transcription.s(title)).delay()
        self._count("celery", 3)

    def _import(self) -> None:
        transcription.import_transcription.delay(self._title("subtitles"))
        self._count("celery")

    def _clean(self) -> None:
        cleanup.cleanup_old_files.delay(CLEANUP_SECONDS)
        if self._dice.random() < 0.2:
            cleanup.cleanup_title.delay(self._title("nobody"))
        self._count("celery")

    def _revoke_due(self, now: float) -> None:
        due = [task for at, task in self._to_revoke if at <= now]
        self._to_revoke = [(at, task) for at, task in self._to_revoke if at > now]
        if due:
            app.control.revoke(due, terminate=True, signal="SIGTERM")

    # ------------------------------------------------------------------------------------------------------------ RQ

    def _thumbnails(self) -> None:
        self._media.enqueue(jobs.make_video_thumbnails, self._title("gallery"), self._seconds(2, 8))
        self._count("rq")

    def _export(self) -> None:
        title = self._title("export")
        packed = self._exports.enqueue(jobs.export_video, title, self._seconds(1, 4))
        self._exports.enqueue(jobs.verify_export, title, depends_on=packed)
        self._count("rq", 2)

    def _mirror(self) -> None:
        self._media.enqueue(jobs.upload_to_mirror, self._title("mirror"), retry=Retry(max=3, interval=[2, 4, 8]))
        self._count("rq")

    def _catalogue(self) -> None:
        self._media.enqueue(jobs.check_video_catalogue, self._title("unlisted"))
        self._count("rq")

    def _later(self) -> None:
        self._media.enqueue_in(timedelta(seconds=self._dice.choice([5, 15, 30])), jobs.cleanup_exports, CLEANUP_SECONDS)
        self._count("rq")

    def _cancelled(self) -> None:
        job = self._exports.enqueue(jobs.export_video, self._title("cancelled"), 5.0)
        job.cancel()
        self._count("rq")


def main() -> None:
    """Send until SIGTERM or SIGINT; one line each `REPORT_SECONDS` says what was sent and what waits."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    producer = Producer(config.load(), random.Random())
    reported = time.monotonic()
    while not stop.wait(TICK_SECONDS):
        producer.tick()
        if time.monotonic() - reported >= REPORT_SECONDS:
            reported = time.monotonic()
            print(_report(producer), flush=True)


def _report(producer: Producer) -> str:
    waiting = ", ".join(f"{queue} {length}" for queue, length in producer.waiting().items())
    return f"sent {producer.sent['celery']} Celery tasks and {producer.sent['rq']} RQ jobs; waiting: {waiting}"


if __name__ == "__main__":
    main()
