"""Whole snapshots for clients that render whatever they get: the body of `/api/tasks/realtime`, made once for each scope.

A client gets one when something that it shows changed, at most each second, and at least each five.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from engineio.packet import Packet

from taskscope_api import conditional
from taskscope_api.filters import Filter
from taskscope_api.live_view import LiveView
from taskscope_api.realtime import realtime_body
from taskscope_api.services import Services
from taskscope_api.socket_io.packets import TASK_UPDATES, event_packet
from taskscope_api.socket_io.sessions import Session

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
"""Between two snapshots of one client, but for those it asks for."""
HEARTBEAT_SECONDS = 3.5
"""A client that is told nothing for so long is told in the next round: within five seconds."""
MAX_KEPT = 32
"""Scopes whose last snapshot is kept."""
PRESSURE = 4
"""A round that takes long is followed by a pause of this many times its duration: a fifth of the loop at most."""

Scope = frozenset[str] | None
Deliver = Callable[[Session, Packet], Awaitable[bool]]
"""Gives a client a packet; False when it did not take the one before yet."""

_encoder = msgspec.json.Encoder()


class Whole(NamedTuple):
    """A snapshot, the tag of what it shows, which version of the live view that was, and when (the loop's time)."""

    packet: Packet
    tag: str
    version: int
    made_at: float


class Snapshots:
    """Makes and gives them. A client that is slow misses some, and is given the newest when it is ready."""

    def __init__(self, live: LiveView, deliver: Deliver) -> None:
        self._deliver = deliver
        self._made: dict[Scope, Whole] = {}
        self._listening: dict[Scope, set[Session]] = defaultdict(set)
        self._changed = asyncio.Event()
        self._version = 0
        self._next_at = self._making = 0.0
        self.made = self.sent = self.skipped = self.failures = 0
        live.listen(self._notice)

    def _notice(self, tasks: bool) -> None:  # noqa: ARG002, FBT001 - a listener of the live view
        self._version += 1
        self._changed.set()

    @property
    def clients(self) -> int:
        """Those that get snapshots."""
        return sum(map(len, self._listening.values()))

    def add(self, session: Session) -> None:
        """The client gets them from now on; none before `give` or the next round."""
        self._listening[session.sources].add(session)

    def discard(self, session: Session) -> None:
        """It does not any more."""
        if session.principal is None or session.sources not in self._listening:
            return
        self._listening[session.sources].discard(session)
        if not self._listening[session.sources]:
            del self._listening[session.sources]

    async def give(self, services: Services, session: Session) -> bool:
        """One snapshot to one client now: the one that others got in this second, or a new one. False: it waits for another."""
        whole = self._made.get(session.sources)
        now = _now()
        if whole is None or (whole.version != self._version and now - whole.made_at >= INTERVAL_SECONDS):
            whole = self._make(services, session.sources)
        return await self._give(session, whole, now)

    async def run(self, services: Services) -> None:
        """Give until cancelled."""
        while True:
            try:
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass  # somebody may be due all the same
            await asyncio.sleep(max(0.0, self._next_at - _now()))
            self._changed.clear()
            busy = await self._round(services)
            self._next_at = _now() + max(INTERVAL_SECONDS, PRESSURE * busy)

    async def _round(self, services: Services) -> float:
        """All scopes once; seconds that making their snapshots took."""
        self._making = 0.0
        for scope in list(self._listening):
            try:
                await self._tell(services, scope)
            except Exception:  # the boundary of a scope: its defect must not end the others
                self.failures += 1
                logger.exception("a snapshot failed")
            await asyncio.sleep(0)
        return self._making

    async def _tell(self, services: Services, scope: Scope) -> None:
        whole, now = self._current(services, scope), _now()
        for session in list(self._listening.get(scope, ())):
            silent = now - session.told_at
            if session.told_tag == whole.tag and silent < HEARTBEAT_SECONDS:
                continue
            if silent < INTERVAL_SECONDS or not await self._give(session, whole, now):
                self._changed.set()  # in the next round
            await asyncio.sleep(0)  # a hundred of them at once would hold up every window for some 20 ms

    def _current(self, services: Services, scope: Scope) -> Whole:
        whole = self._made.get(scope)
        if whole is None or whole.version != self._version or _now() - whole.made_at >= HEARTBEAT_SECONDS:
            return self._make(services, scope)
        return whole

    def _make(self, services: Services, scope: Scope) -> Whole:
        began = _now()
        body = _encoder.encode(realtime_body(services, Filter(), scope))
        self.made += 1
        self._making += _now() - began
        whole = Whole(event_packet(TASK_UPDATES, body.decode()), conditional.tag(body), self._version, _now())
        self._made.pop(scope, None)
        self._made[scope] = whole
        if len(self._made) > MAX_KEPT:
            del self._made[next(iter(self._made))]
        return whole

    async def _give(self, session: Session, whole: Whole, now: float) -> bool:
        if not await self._deliver(session, whole.packet):
            self.skipped += 1
            return False
        self.sent += 1
        session.told_tag, session.told_at = whole.tag, now
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
