"""Makes what was seen ready to be kept: secrets hidden, texts capped, and equal strings one object.

An observation belongs to the reducer once it was handed over; it is changed in place.
"""

from taskscope_collector.observations import TaskEvent
from taskscope_collector.redaction import Redactor
from taskscope_collector.reducer.record import Record

NAMES = 20_000
"""Strings shared at most (workers, queues); beyond that they are forgotten and shared anew."""
_EMPTY = {"{}": "{}", "()": "()", "[]": "[]", "None": "None"}


class Names:
    """One object for equal strings."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def shared(self, name: str) -> str:
        """The first object that was equal to `name`."""
        known = self._names.get(name)
        if known is None:
            if len(self._names) >= NAMES:
                self._names.clear()
            known = self._names[name] = name
        return known

    def all(self) -> list[str]:
        """Every one that is remembered."""
        return list(self._names)


class Intake:
    """Redaction and sharing of events."""

    def __init__(self, redactor: Redactor, names: Names) -> None:
        self._text = redactor.text
        self._traceback = redactor.traceback
        self._names = names

    def message(self, event: TaskEvent, record: Record) -> None:
        """A sent or received event: arguments that were seen before are not redacted again."""
        draft = record.draft
        arguments = hash((event.args, event.kwargs))
        if arguments == record.args_hash:
            event.args, event.kwargs = draft.args, draft.kwargs
        else:
            record.args_hash = arguments
            if event.args is not None:
                event.args = _EMPTY.get(event.args) or self._text(event.args)
            if event.kwargs is not None:
                event.kwargs = _EMPTY.get(event.kwargs) or self._text(event.kwargs)
        if event.root_id == draft.id:
            event.root_id = draft.id
        self.event(event, record)

    def event(self, event: TaskEvent, record: Record) -> None:
        """What every event has."""
        event.uuid = record.draft.id
        event.hostname = self._names.shared(event.hostname)
        if event.timestamp == event.at:
            event.timestamp = event.at
        event.seen_at = event.at

    def outcome(self, event: TaskEvent) -> None:
        """Result, exception and traceback."""
        if event.result is not None:
            event.result = _EMPTY.get(event.result) or self._text(event.result)
        if event.exception is not None:
            event.exception = self._text(event.exception)
        if event.traceback is not None:
            event.traceback = self._traceback(event.traceback)
