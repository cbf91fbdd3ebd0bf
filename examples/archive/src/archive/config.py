"""Where the archive's servers and files are. The one place of the example that reads the environment."""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple


class Config(NamedTuple):
    """`broker_url` and `rq_url` are Redis URLs, `directory` holds every file that the archive makes."""

    broker_url: str
    rq_url: str
    directory: Path


def load() -> Config:
    """`ARCHIVE_BROKER_URL`, `ARCHIVE_RQ_URL` and `ARCHIVE_DIRECTORY`, or a Redis on this machine and the temporary folder."""
    return Config(
        broker_url=os.environ.get("ARCHIVE_BROKER_URL", "redis://127.0.0.1:6379/0"),
        rq_url=os.environ.get("ARCHIVE_RQ_URL", "redis://127.0.0.1:6379/1"),
        directory=Path(os.environ.get("ARCHIVE_DIRECTORY", Path(tempfile.gettempdir()) / "archive")),
    )


def environment(config: Config) -> dict[str, str]:
    """This process's environment with `config` in it, for a process to be started; its temporary files go there, too."""
    return {
        **os.environ,
        "ARCHIVE_BROKER_URL": config.broker_url,
        "ARCHIVE_RQ_URL": config.rq_url,
        "ARCHIVE_DIRECTORY": str(config.directory),
        "TMPDIR": str(config.directory),
        "PYTHONUNBUFFERED": "1",
    }
