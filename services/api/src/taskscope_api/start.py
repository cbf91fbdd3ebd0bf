"""`taskscope-api` can be told to end from its first moment on: what it runs with takes a while to load."""

from taskscope_shared.ending import end_when_told


def main() -> None:
    """Load what serves, and do so."""
    end_when_told()
    from taskscope_api.__main__ import main as run  # loaded now: it can be ended meanwhile

    run()
