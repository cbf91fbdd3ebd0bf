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
        self.known: dict[str, str] = {}

    def shared(self, name: str) -> str:
        """The first object that was equal to `name`."""
        known = self.known.get(name)
        if known is None:
            if len(self.known) >= NAMES:
                self.known.clear()
            known = self.known[name] = name
        return known

    def all(self) -> list[str]:
        """Every one that is remembered."""
        return list(self.known)


class Intake:
    """Redaction and sharing of events."""

    def __init__(self, redactor: Redactor, names: Names) -> None:
        self._text = redactor.text
        self._traceback = redactor.traceback
        self._names = names
        self._hosts = names.known

    def message(self, event: TaskEvent, record: Record) -> None:
        """A sent or received event: arguments that were seen before are not redacted again."""
        draft = record.draft
        if event.args != draft.args or event.kwargs != draft.kwargs:
            self._arguments(event, record)
        else:
            event.args, event.kwargs = draft.args, draft.kwargs
        if event.root_id == draft.id:
            event.root_id = draft.id

    def _arguments(self, event: TaskEvent, record: Record) -> None:
        args, kwargs = event.args, event.kwargs
        if record.args_hash and record.args_hash == hash((args, kwargs)):
            event.args, event.kwargs = record.draft.args, record.draft.kwargs
            return
        if args is not None:
            event.args = _EMPTY.get(args) or self._text(args)
        if kwargs is not None:
            event.kwargs = _EMPTY.get(kwargs) or self._text(kwargs)
        if event.args != args or event.kwargs != kwargs:
            record.args_hash = hash((args, kwargs))

    def event(self, event: TaskEvent, record: Record) -> None:
        """What every event has."""
        event.uuid = record.draft.id
        host = event.hostname
        event.hostname = self._hosts.get(host) or self._names.shared(host)

    def outcome(self, event: TaskEvent) -> None:
        """Result, exception and traceback."""
        if event.result is not None:
            event.result = _EMPTY.get(event.result) or self._text(event.result)
        if event.exception is not None:
            event.exception = self._text(event.exception)
        if event.traceback is not None:
            event.traceback = self._traceback(event.traceback)
