"""Cleanup: what the archive made is deleted again."""

from archive import media
from archive.celery_app import task


@task()
def cleanup_old_files(seconds: float) -> int:
    """Delete files that were not touched for `seconds`; how many."""
    return len(media.delete_older(seconds))


@task()
def cleanup_title(title: str) -> list[str]:
    """Delete the files of one title; their names. Raises `LookupError` if there are none."""
    found = sorted(media.folder().glob(f"{title}*"))
    if not found:
        raise LookupError(f"there are no files of {title}")
    for path in found:
        path.unlink(missing_ok=True)
    return [path.name for path in found]
