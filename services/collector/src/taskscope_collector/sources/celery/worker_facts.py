"""What one worker says of itself when it is asked: the tasks that it knows, and its configuration (celery.worker.control)."""

from typing import Any

import msgspec
from taskscope_shared.requests import WorkerFacts

from taskscope_collector.configuration import shown_settings
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.mailbox import Mailbox, Question

SECONDS = 2.0
NAMES = 5_000
SILENT = f"the worker did not answer within {SECONDS:g} s: it is busy with a solo pool, or gone"
UNREADABLE = "the worker's answer cannot be read"

_names = msgspec.json.Decoder(list[str])
_settings = msgspec.json.Decoder(dict[str, Any])


async def worker_facts(mailbox: Mailbox, name: str, redactor: Redactor) -> WorkerFacts:
    """Raises what the mailbox raises."""
    # An item that no task has: then the answer is names alone.
    registered = Question("registered", {"taskinfoitems": ["_"]}, (name,))
    conf = Question("conf", {"with_defaults": False}, (name,))
    answers = await mailbox.ask([registered, conf], expected=[name], seconds=SECONDS)
    unknown: dict[str, str] = {}
    names, settings = answers.replies["registered"].get(name), answers.replies["conf"].get(name)
    return WorkerFacts(
        _registered(names, unknown),
        _configuration(settings, redactor, unknown),
        unknown,
    )


def _registered(raw: msgspec.Raw | None, unknown: dict[str, str]) -> list[str] | None:
    if raw is None:
        unknown["registered"] = SILENT
        return None
    try:
        return sorted(_names.decode(raw))[:NAMES]
    except msgspec.MsgspecError:
        unknown["registered"] = UNREADABLE
        return None


def _configuration(raw: msgspec.Raw | None, redactor: Redactor, unknown: dict[str, str]) -> dict[str, Any] | None:
    if raw is None:
        unknown["configuration"] = SILENT
        return None
    try:
        settings = _settings.decode(raw)
    except msgspec.MsgspecError:
        unknown["configuration"] = UNREADABLE
        return None
    return dict(shown_settings(settings, redactor))
