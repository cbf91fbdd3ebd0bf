"""The clients of Socket.IO: who they are, what they look at, and how many there may be."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from engineio.packet import Packet
from taskscope_shared.clock import Clock

from taskscope_api.addresses import Addresses
from taskscope_api.errors import Problem, problem
from taskscope_api.hub import Client
from taskscope_api.principals import Principal
from taskscope_api.sockets import LEAVING

MAX_SESSIONS = 2_000
"""Of one process: some 20 KB each."""
MAX_OF_ADDRESS = 1_000
"""Of one client's address, which may be that of a proxy before many."""
MESSAGES_A_SECOND = 10
"""Joins and requests of one client, on average: each costs a window, or a body, to be looked at."""
MESSAGES_AT_ONCE = 20
ADMITTED_SECONDS = 10.0
"""A session without a client that was let in is ended after so long."""
FULL = 503


class Session:
    """One connection of Engine.IO, and the one client that may be on it.

    `named` is whom its requests have to name by a header or a cookie; None: they do not, its client was told by `auth`.
    """

    def __init__(self, id_: str, address: str, scope: Mapping[str, Any], now: float) -> None:
        self.id = id_
        self.address = address
        self.scope = scope
        self.began = now
        self.principal: Principal | None = None
        self.named: Principal | None = None
        self.is_polling = False
        self.window: Client | None = None
        self.pump: asyncio.Task[None] | None = None
        self.is_whole = False
        self.told: Packet | None = None
        self.told_tag = ""
        self.told_at = 0.0
        self._allowance = float(MESSAGES_AT_ONCE)
        self._allowed_at = now

    @property
    def sources(self) -> frozenset[str] | None:
        """What its client may see. Nobody who was not let in gets so far."""
        assert self.principal is not None  # noqa: S101 - told to mypy
        return self.principal.sources

    def may_speak(self, now: float) -> bool:
        """Whether one more message is answered now."""
        earned = (now - self._allowed_at) * MESSAGES_A_SECOND
        self._allowance, self._allowed_at = min(MESSAGES_AT_ONCE, self._allowance + earned), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


class Counts(msgspec.Struct):
    """What became of clients and messages since the start."""

    refused: int = 0
    garbage: int = 0
    throttled: int = 0
    overfull: int = 0
    rights_ended: int = 0


class Sessions:
    """All of this process, by their id."""

    def __init__(self, clock: Clock, addresses: Addresses) -> None:
        self._clock = clock
        self._addresses = addresses
        self._of_address: Counter[str] = Counter()
        self.by_id: dict[str, Session] = {}
        self.counts = Counts()
        self.is_leaving = False

    def add(self, id_: str, scope: Mapping[str, Any]) -> Session:
        """A new one."""
        made = self.by_id[id_] = Session(id_, self._addresses.client(scope), scope, self._clock.monotonic())
        self._of_address[made.address] += 1
        return made

    def remove(self, id_: str) -> Session | None:
        """It ended; None when it was not there."""
        session = self.by_id.pop(id_, None)
        if session is not None:
            self._of_address[session.address] -= 1
            if not self._of_address[session.address]:
                del self._of_address[session.address]
        return session

    def refusal(self, scope: Mapping[str, Any]) -> Problem | None:
        """Why no further session may begin with this request; None where one may."""
        address = self._addresses.client(scope)
        if self.is_leaving:
            return LEAVING.problem
        if len(self.by_id) >= MAX_SESSIONS:
            detail = f"{MAX_SESSIONS} clients of Socket.IO are connected already: try later, or another replica"
        elif self._of_address[address] >= MAX_OF_ADDRESS:
            detail = f"{MAX_OF_ADDRESS} clients of Socket.IO are connected from {address} already"
        else:
            return None
        self.counts.refused += 1
        return problem(FULL, "too-many-connections", detail)

    def late(self) -> list[Session]:
        """Those on which nobody was let in for too long."""
        now = self._clock.monotonic()
        return [each for each in self.by_id.values() if each.principal is None and now - each.began > ADMITTED_SECONDS]
