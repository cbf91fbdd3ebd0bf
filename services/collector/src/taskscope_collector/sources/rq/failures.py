"""The type and message of a failure, from the text that RQ keeps of it."""

from dataclasses import dataclass

_HEAD = "Traceback (most recent call last):"
_ABANDONED = "AbandonedJobError"


@dataclass(frozen=True)
class Failure:
    """What a failure's text says. `traceback` is None for RQ's own words, which have none."""

    type: str | None
    message: str
    traceback: str | None


def read_failure(text: str) -> Failure:
    """Read `exc_string` of a result or `exc_info` of a job.

    The last traceback in it counts (a chain ends with what was raised). RQ's own words are those for a killed work-horse, for
    an abandoned job and for one stuck in the intermediate queue.
    """
    start = text.rfind(_HEAD)
    if start < 0:
        return Failure(_ABANDONED if _ABANDONED in text else None, text.strip(), None)
    lines = text[start:].splitlines()[1:]
    for index, line in enumerate(lines):
        if line and not line[0].isspace() and not line.startswith("|"):
            return _raised("\n".join(lines[index:]).strip(), text)
    return Failure(None, lines[-1].strip() if lines else "", text)


def _raised(words: str, text: str) -> Failure:
    name, colon, message = words.partition(":")
    if not name.replace(".", "").replace("_", "").isalnum():
        return Failure(None, words, text)
    return Failure(name.rpartition(".")[2], message.strip() if colon else "", text)
