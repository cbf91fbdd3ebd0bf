"""What tasks of both engines do, by their number in the batch."""

FAILS, RETRIES, OF = 3, 17, 50


class FootageError(Exception):
    """What the tasks that fail raise."""


def fails(number: int) -> bool:
    """Every fiftieth fails for good."""
    return number % OF == FAILS


def is_retried(number: int) -> bool:
    """Every fiftieth succeeds only when it is tried again."""
    return number % OF == RETRIES
