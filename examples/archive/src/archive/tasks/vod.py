"""Video on demand: fetch, encode, cut, publish."""

import hashlib
import os
from typing import Any

from archive import media
from archive.celery_app import task
from archive.tasks.progress import Meter


class SourceNotReadyError(Exception):
    """The recording is not there yet."""


@task()
def record_video(title: str, seconds: float) -> int:
    """A camera's upload: writes the recording; its size in bytes."""
    return media.record(title, seconds).stat().st_size


@task(bind=True, max_retries=6)
def fetch_video(self: Any, title: str) -> str:  # noqa: ANN401
    """Check the recording in; tries again each 3 s while the camera is still uploading."""
    path = media.path_of(title, ".rec")
    if not path.exists():
        raise self.retry(exc=SourceNotReadyError(f"{path.name} is not uploaded yet"), countdown=3)
    return media.checksum(path, Meter(self, "Checking in"))


@task(bind=True)
def process_vod(self: Any, title: str, seconds: float) -> dict[str, object]:  # noqa: ANN401
    """Record and encode a whole title, with progress; takes about `seconds`."""
    source = media.record(title, seconds)
    return media.encode(source, media.path_of(title, ".vod"), Meter(self, "Encoding block"))


@task(bind=True)
def encode_segment(self: Any, title: str, index: int, seconds: float) -> dict[str, object]:  # noqa: ANN401
    """Encode one segment of a title."""
    name = f"{title}-{index:02}"
    source = media.record(name, seconds)
    return media.encode(source, media.path_of(name, ".seg"), Meter(self, f"Segment {index}"))


@task()
def publish_vod(segments: list[dict[str, object]], title: str) -> str:
    """Write the manifest of a title's segments; its digest."""
    lines = [f"{index} {segment['sha256']} {segment['bytes_out']}" for index, segment in enumerate(segments)]
    manifest = media.path_of(title, ".manifest")
    manifest.write_text("\n".join(lines))
    return hashlib.sha256(manifest.read_bytes()).hexdigest()


@task()
def probe_video(title: str) -> dict[str, int]:
    """Look into an encoded file whose upload broke off: fails with what zlib says."""
    path = media.path_of(title, ".vod")
    path.write_bytes(b"\x78\x9c" + os.urandom(512))
    return media.inspect(path)
