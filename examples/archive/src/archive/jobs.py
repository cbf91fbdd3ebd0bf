"""The archive's RQ jobs: `rq worker media exports`. Progress goes into `job.meta`."""

import time

from rq import get_current_job

from archive import media

INTERVAL_SECONDS = 0.4


class MirrorUnreachableError(Exception):
    """The mirror does not answer."""


class Meter:
    """Passed as `on_block`: saves the progress in the job's meta, at most each `INTERVAL_SECONDS`."""

    def __init__(self, message: str) -> None:
        self._job = get_current_job()
        self._message = message
        self._saved = 0.0

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` blocks are through."""
        now = time.monotonic()
        if self._job is not None and (done == total or now - self._saved >= INTERVAL_SECONDS):
            self._saved = now
            self._job.meta.update({"current": done, "total": total, "message": self._message})
            self._job.save_meta()  # type: ignore[no-untyped-call]


def make_video_thumbnails(title: str, seconds: float, count: int = 6) -> list[str]:
    """Record a title and make its thumbnails."""
    return media.thumbnails(media.record(title, seconds), count, Meter("Looking for pictures"))


def export_video(title: str, seconds: float) -> dict[str, object]:
    """Record a title and pack it for the mirror."""
    return media.encode(media.record(title, seconds), media.path_of(title, ".export"), Meter("Packing"))


def verify_export(title: str) -> str:
    """The digest of an export. Raises `FileNotFoundError` if it is not there."""
    return media.checksum(media.path_of(title, ".export"), Meter("Verifying"))


def upload_to_mirror(title: str) -> str:
    """Upload; the mirror refuses the first two attempts of each title, as busy mirrors do."""
    marks = media.path_of(title, ".attempts")
    attempts = marks.read_text().count("x") if marks.exists() else 0
    marks.write_text("x" * (attempts + 1))
    if attempts < 2:
        raise MirrorUnreachableError(f"the mirror did not take {title}, attempt {attempts + 1}")
    return f"uploaded after {attempts + 1} attempts"


def check_video_catalogue(title: str) -> int:
    """Look a title up in a catalogue that does not have it: fails with `KeyError`."""
    catalogue = {f"{title}-{part}": len(title) for part in ("opening", "debate", "vote")}
    return catalogue[title]


def cleanup_exports(seconds: float) -> int:
    """Delete files that were not touched for `seconds`; how many."""
    return len(media.delete_older(seconds))
