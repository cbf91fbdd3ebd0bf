"""The example archive deletes what it made, and nothing else."""

import os
import time
from pathlib import Path

import pytest
from archive import jobs, media
from archive.tasks import cleanup

OLD_SECONDS = 100.0


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive's, with a server's folder and a worker's log beside its files."""
    monkeypatch.setenv("ARCHIVE_DIRECTORY", str(tmp_path))
    (tmp_path / "valkey").mkdir()
    (tmp_path / "worker.log").write_text("ready")
    for path in (tmp_path / "valkey", tmp_path / "worker.log"):
        _age(path)
    return tmp_path


@pytest.mark.parametrize("clean", [cleanup.cleanup_old_files, jobs.cleanup_exports])
def test_old_files_are_deleted_and_nothing_beside_them(directory: Path, clean: object) -> None:
    assert callable(clean)
    old, new = media.path_of("old", ".rec"), media.path_of("new", ".rec")
    for path in (old, new):
        path.write_bytes(b"noise")
    _age(old)
    assert clean(OLD_SECONDS / 2) == 1
    assert (old.exists(), new.exists()) == (False, True)
    assert {path.name for path in directory.iterdir()} == {"files", "valkey", "worker.log"}


def test_the_files_of_a_title_are_deleted_by_its_name(directory: Path) -> None:
    for title, suffix in (("gallery", ".rec"), ("gallery", ".0.thumb"), ("other", ".rec")):
        media.path_of(title, suffix).write_bytes(b"noise")
    assert cleanup.cleanup_title("gallery") == ["gallery.0.thumb", "gallery.rec"]
    assert [path.name for path in (directory / "files").iterdir()] == ["other.rec"]
    with pytest.raises(LookupError):
        cleanup.cleanup_title("worker")


def _age(path: Path) -> None:
    then = time.time() - OLD_SECONDS
    os.utime(path, (then, then))
