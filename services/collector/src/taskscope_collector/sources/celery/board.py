"""The health of a source, put together from its parts: each says how it is, and what changes goes to the sink."""

from dataclasses import dataclass, field

from taskscope_shared.clock import Clock
from taskscope_shared.model import SourceStatus

from taskscope_collector.observations import Health, Sink

EVENTS = "events"
CONTROL = "remote control"
RESULTS = "result backend"


@dataclass
class _Part:
    needed: bool
    up: bool | None = None  # None: has not tried yet
    reason: str | None = None


@dataclass
class Board:
    """Parts by name. Without a part that is needed the source is down, without another one it is degraded.

    `degraded` holds reasons for a source that goes on and knows less than it should; `notes` what cannot be known and why.
    """

    sink: Sink
    clock: Clock
    transport: str | None = None
    events: bool | None = None
    result_backend: bool | None = None
    _parts: dict[str, _Part] = field(default_factory=dict)
    _degraded: dict[str, str] = field(default_factory=dict)
    _notes: dict[str, str] = field(default_factory=dict)
    _said: tuple[object, ...] | None = None

    def expect(self, part: str, *, needed: bool) -> None:
        """`part` is going to try."""
        self._parts[part] = _Part(needed)

    def up(self, part: str) -> None:
        """`part` works."""
        state = self._parts[part]
        state.up, state.reason = True, None
        self.say()

    def down(self, part: str, reason: str) -> None:
        """`part` does not work; `reason` holds no secrets."""
        state = self._parts[part]
        state.up, state.reason = False, reason
        self.say()

    def degrade(self, key: str, reason: str | None) -> None:
        """Something is less than it should be (None: it is no more)."""
        _put(self._degraded, key, reason)
        self.say()

    def note(self, key: str, text: str | None) -> None:
        """Something cannot be known (None: it can)."""
        _put(self._notes, key, text)
        self.say()

    def status(self) -> tuple[SourceStatus, str | None]:
        """How the source is, with the reason unless it is well."""
        parts = list(self._parts.values())
        broken = [part for part in parts if part.up is False]
        fatal = [part for part in broken if part.needed]
        if fatal:
            return SourceStatus.DOWN, fatal[0].reason
        if any(part.up is None for part in parts if part.needed):
            return SourceStatus.STARTING, None
        reasons = [part.reason or "" for part in broken] + list(self._degraded.values())
        return (SourceStatus.DEGRADED, "; ".join(reasons)) if reasons else (SourceStatus.UP, None)

    def say(self) -> None:
        """Tell the sink, if anything is different from what it was told last."""
        status, reason = self.status()
        notes = tuple(self._notes[key] for key in sorted(self._notes))
        now = (status, reason, notes, self.transport, self.events, self.result_backend)
        if now == self._said:
            return
        self._said = now
        health = Health(
            status=status,
            at=self.clock.now(),
            reason=reason,
            notes=notes,
            transport=self.transport,
            events=self.events,
            result_backend=self.result_backend,
        )
        self.sink.put([health])


def _put(texts: dict[str, str], key: str, text: str | None) -> None:
    if text is None:
        texts.pop(key, None)
    else:
        texts[key] = text
