"""RQ's jobs: `rq worker footage --url $FOOTAGE_RQ`."""

import time

from rq import get_current_job
from rq.job import Job

from footage import place
from footage.work import FootageError, fails


def index(batch: str, number: int) -> int:
    """Ends at once."""
    job = _job()
    place.write(batch, job.id, "started", job.worker_name or "")
    place.write(batch, job.id, "ended", "failed" if fails(number) else "succeeded")
    if fails(number):
        raise FootageError(f"{batch} {number} is damaged")
    return number


def video_thumbnails(batch: str, seconds: float) -> str:
    """Says four times a second how far it is."""
    job = _job()
    place.write(batch, job.id, "started", job.worker_name or "")
    steps = max(1, round(seconds * 4))
    for step in range(1, steps + 1):
        time.sleep(0.25)
        job.meta["progress"] = round(100 * step / steps)
        job.save_meta()
    place.write(batch, job.id, "ended", "succeeded")
    return batch


def _job() -> Job:
    job = get_current_job()
    assert job is not None, "this is run by a worker of RQ alone"
    return job
