"""Celery's event messages, decoded from their bytes straight into observations.

The fast path knows nothing but the fields it needs: the envelope's base64 body is turned into bytes by msgspec, the body into
`TaskEvent`s by one call. Whatever does not fit takes the slow path, one event at a time, and is counted if nobody can read it.
"""

import logging
from collections.abc import Sequence
from operator import attrgetter

import msgspec
from taskscope_shared.clock import Clock

from taskscope_collector.observations import Counts, Observation, TaskEvent, WorkerBeat
from taskscope_collector.sources.celery.roster import KnownIds, Roster
from taskscope_collector.sources.celery.skew import ClockSkew

logger = logging.getLogger(__name__)

TASK_TYPES = frozenset(
    f"task-{kind}"
    for kind in ("sent", "received", "started", "succeeded", "failed", "retried", "rejected", "revoked", "cancelled")
)
BEAT_TYPES = frozenset({"worker-online", "worker-heartbeat", "worker-offline"})
KNOWN_TYPES = TASK_TYPES | BEAT_TYPES
_BEAT_TOPICS = frozenset({b"worker.online", b"worker.heartbeat", b"worker.offline"})
LOGGED_KINDS = 50
_uuid = attrgetter("uuid")


class _Envelope(msgspec.Struct, gc=False):
    body: bytes  # msgspec decodes base64


class _Properties(msgspec.Struct, gc=False):
    body_encoding: str | None = None


class _PlainEnvelope(msgspec.Struct, gc=False):
    body: str
    properties: _Properties = msgspec.field(default_factory=_Properties)


class _Kind(msgspec.Struct, gc=False):
    type: str = ""


class Malformed:
    """Counts what cannot be read, and logs each kind of it once."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._logged: set[str] = set()

    def count(self, kind: str, error: Exception) -> None:
        """One more of `kind`."""
        self._counts.malformed += 1
        if kind not in self._logged and len(self._logged) < LOGGED_KINDS:
            self._logged.add(kind)
            logger.warning("malformed %s: %s; further ones are only counted", kind, error)


class EventDecoder:
    """Turns messages of the event exchange into observations. One for each source."""

    def __init__(
        self, counts: Counts, malformed: Malformed, skew: ClockSkew, roster: Roster, known: KnownIds, clock: Clock
    ) -> None:
        self._roster = roster
        self._known = known
        self._clock = clock
        self._counts = counts
        self._malformed = malformed
        self._skew = skew
        self._envelope = msgspec.json.Decoder(_Envelope).decode
        self._plain = msgspec.json.Decoder(_PlainEnvelope).decode
        self._tasks = msgspec.json.Decoder(list[TaskEvent]).decode
        self._task = msgspec.json.Decoder(TaskEvent).decode
        self._beat = msgspec.json.Decoder(WorkerBeat).decode
        self._raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
        self._kind = msgspec.json.Decoder(_Kind).decode
        self.sent_at: float | None = None
        """When the last `task-sent` was seen (epoch seconds): without them nobody tells what waits, nor since when."""
        self.tasks_at: float | None = None
        """When the last event of a worker about a task was seen."""

    def message(self, topic: bytes, payload: bytes, out: list[Observation], now: float) -> None:
        """One message of a Redis fanout channel whose last part is `topic`; what it says is appended to `out`."""
        try:
            body = self._envelope(payload).body
        except msgspec.MsgspecError as error:
            plain = self._unencoded(payload)
            if plain is None:
                self._malformed.count("event envelope", error)
                return
            body = plain
        self.body(topic, body, out, now)

    def count(self, topic: bytes, payload: bytes) -> int:
        """How many events a message holds; a fifth of the cost of decoding it."""
        if topic != b"task.multi":
            return 1
        try:
            # No string of JSON can hold this: its quotes would be escaped.
            return max(1, self._envelope(payload).body.count(b'"uuid":'))
        except msgspec.MsgspecError:
            return 1

    def body(self, topic: bytes, body: bytes, out: list[Observation], now: float) -> None:
        """The JSON of one event or of a list; `topic` is its routing key (`task.multi`, `worker.heartbeat`, ..., or empty)."""
        try:
            if body[:1] == b"[":
                self._take_tasks(self._tasks(body), out, now)
            elif topic[:5] == b"task.":
                self._take_tasks((self._task(body),), out, now)
            elif topic in _BEAT_TOPICS:
                self._take_beat(self._beat(body), out, now)
            elif topic[:7] != b"worker.":
                self._one(msgspec.Raw(body), out, now)
        except msgspec.MsgspecError as error:
            self._slowly(body, error, out, now)

    def _take_tasks(self, events: Sequence[TaskEvent], out: list[Observation], now: float) -> None:
        if not events:
            return
        self._known.current.update(map(_uuid, events))
        self._known.turn()
        if self._skew.applied:
            self._correct(events)
        out += events
        if events[-1].type == "task-sent":
            self.sent_at = now
        else:
            self.tasks_at = now
        self._counts.received += len(events)

    def _correct(self, events: Sequence[TaskEvent]) -> None:
        for event in events:
            if ahead := self._ahead(event.hostname):
                event.uncorrected_at = event.at
                event.at -= ahead

    def _take_beat(self, beat: WorkerBeat, out: list[Observation], now: float) -> None:
        self._counts.received += 1
        if beat.type not in BEAT_TYPES:
            return
        if beat.timestamp:
            self._skew.heard(beat.hostname, beat.timestamp, now)
        beat.at = (beat.timestamp or now) - self._skew.of(beat.hostname)
        beat.seen_at = now
        self._roster.beat(beat, self._clock.monotonic())
        out.append(beat)

    def _ahead(self, hostname: str) -> float:
        applied = self._skew.applied
        ahead = applied.get(hostname)
        if ahead is not None:
            return ahead
        if not hostname.startswith("gen"):
            return 0.0
        # A producer sends no heartbeats, but a worker of the same host has the same clock.
        _, _, host = hostname.partition("@")
        return next((ahead for node, ahead in applied.items() if node.endswith(f"@{host}")), 0.0)

    def _unencoded(self, payload: bytes) -> bytes | None:
        try:
            envelope = self._plain(payload)
        except msgspec.MsgspecError:
            return None
        return None if envelope.properties.body_encoding == "base64" else envelope.body.encode()

    def _timed(self, raw: msgspec.Raw, now: float) -> TaskEvent:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        if "timestamp" in fields:
            return self._task(raw)
        event = self._task(msgspec.json.encode(fields | {"timestamp": now}))
        event.uncorrected_at = 0.0
        return event

    def _slowly(self, body: bytes, error: msgspec.MsgspecError, out: list[Observation], now: float) -> None:
        try:
            raws = self._raws(body) if body[:1] == b"[" else [msgspec.Raw(body)]
        except msgspec.MsgspecError:
            self._malformed.count("event body", error)
            return
        for raw in raws:
            self._one(raw, out, now)

    def _one(self, raw: msgspec.Raw, out: list[Observation], now: float) -> None:
        kind = ""
        try:
            kind = self._kind(raw).type
            if kind in TASK_TYPES:
                self._take_tasks((self._timed(raw, now),), out, now)
            elif kind in BEAT_TYPES:
                self._take_beat(self._beat(raw), out, now)
            elif not kind:
                self._malformed.count("event without a type", ValueError("no type"))
            else:
                self._counts.received += 1
        except msgspec.MsgspecError as error:
            self._malformed.count(f"event {kind}" if kind in KNOWN_TYPES else "event", error)
