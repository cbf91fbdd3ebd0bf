"""The open WebSockets: how many there may be, how much each may say, and whether it may still be there."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from taskscope_shared.clock import Clock
from taskscope_shared.settings import Push

from taskscope_api.clients import Client
from taskscope_api.errors import PROBLEM_TYPE, ApiError, Problem
from taskscope_api.principals import Access, Principal

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between looks at the sockets' rights."""
JOIN_SECONDS = 60.0
"""A socket that never joined is closed after so long."""
CUT_SECONDS = 10.0
"""A client that takes nothing of what waits for so long is cut to a `resync`, however little waits ..."""
SEND_SECONDS = 30.0
"""... and one that does not take that either is disconnected."""
BURST_SECONDS = 5.0
"""So many seconds' joins and messages may come at once."""
MAX_REFUSED = 100
"""Joins and messages beyond their rate; then the socket is closed."""
RIGHTS_ENDED = 4401
POLICY = 1008
"""What a socket is closed with that did what it was told not to (RFC 6455, 7.4.1)."""
RESTARTING = 1012
"""What it is closed with when its replica leaves: it may come back at once, elsewhere (IANA's registry of close codes)."""
LEAVING = ApiError(503, "leaving", "this replica of the api is about to end: another one answers, or it will be back soon")


Ways = tuple[Callable[[int, str], None], Callable[[], None]]
"""How to end a socket, and how to cut what waits for its client."""


class Allowance:
    """A token bucket: `rate` a second on the long run, `BURST_SECONDS` of them at once."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = self._most
        self._at = now

    @property
    def _most(self) -> float:
        return max(1.0, self._rate * BURST_SECONDS)

    def take(self, now: float) -> bool:
        """Use one, if there is one."""
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Watched:
    """One open socket. `end(code, reason)` closes it without waiting, `cut()` lets its client join again."""

    __slots__ = (
        "_cut",
        "_joins",
        "_messages",
        "address",
        "asking",
        "client",
        "end",
        "is_ending",
        "joined",
        "opened_at",
        "refused",
        "stuck",
    )

    def __init__(self, client: Client, asking: Principal, address: str, ways: Ways, now: float, limits: Push) -> None:
        self.client = client
        self.asking = asking
        self.address = address
        self.end, self._cut = ways
        self.opened_at = now
        self.joined = False
        self.is_ending = False
        self.refused = 0
        self.stuck: tuple[int, float] | None = None
        self._joins = Allowance(limits.joins_per_second, now)
        self._messages = Allowance(limits.messages_per_second, now)

    def hear(self, now: float) -> None:
        """Note a message. Raises `ApiError` when there were too many."""
        if not self._messages.take(now):
            raise self._too_many("messages")

    def join(self, now: float) -> None:
        """Note a join. Raises `ApiError` when there were too many."""
        if not self._joins.take(now):
            raise self._too_many("joins")
        self.joined = True

    def _too_many(self, what: str) -> ApiError:
        self.refused += 1
        if self.refused > MAX_REFUSED:
            self.end(POLICY, f"too many {what}")
        return ApiError(
            HTTPStatus.TOO_MANY_REQUESTS, f"too-many-{what}", f"these are too many {what} a second: this one was passed over"
        )

    def let_go(self) -> None:
        """Its replica leaves."""
        self.is_ending = True
        self.end(RESTARTING, "this replica leaves")

    def fault(self, now: float, access: Access) -> tuple[int, str] | None:
        """Why the socket has to be closed: code and reason; None while it may stay."""
        if not access.holds(self.asking):
            return RIGHTS_ENDED, "the rights that this was opened with have ended"
        if not self.joined and now - self.opened_at >= JOIN_SECONDS:
            return POLICY, "nothing was joined"
        stuck = self._stuck_seconds(now)
        if stuck >= SEND_SECONDS:
            return POLICY, "nothing was read"
        if stuck >= CUT_SECONDS and self.client.waiting > 1:
            self._cut()
        return None

    def _stuck_seconds(self, now: float) -> float:
        """How long something waits of which nothing was taken."""
        if not self.client.waiting:
            self.stuck = None
        elif self.stuck is None or self.stuck[0] != self.client.taken:
            self.stuck = self.client.taken, now
        return 0.0 if self.stuck is None else now - self.stuck[1]


class Sockets:
    """All of one process. `refused` counts what was not done, by kind of problem."""

    def __init__(self, limits: Push, access: Access, clock: Clock) -> None:
        self._limits = limits
        self._access = access
        self._clock = clock
        self._open: set[Watched] = set()
        self._of_address = Counter[str]()
        self.refused = Counter[str]()
        self.failures = 0
        self.is_leaving = False

    @property
    def open(self) -> int:
        """Sockets that are open."""
        return len(self._open)

    def enter(self, client: Client, asking: Principal, address: str, ways: Ways) -> Watched:
        """Take up a socket, with the ways to end and cut it. Raises `ApiError` for one too many, in all or of its address, and
        while the replica leaves.
        """
        if self.is_leaving:
            raise self.refuse(LEAVING)
        if len(self._open) >= self._limits.connections:
            raise self.refuse(ApiError(503, "too-many-connections", f"{len(self._open)} sockets are open already: try later"))
        if self._of_address[address] >= self._limits.connections_per_address:
            detail = f"{self._of_address[address]} sockets are open from this address already"
            raise self.refuse(ApiError(HTTPStatus.TOO_MANY_REQUESTS, "too-many-connections", detail))
        watched = Watched(client, asking, address, ways, self._clock.monotonic(), self._limits)
        self._open.add(watched)
        self._of_address[address] += 1
        return watched

    def leave(self, watched: Watched) -> None:
        """The socket is closed."""
        self._open.discard(watched)
        self._of_address[watched.address] -= 1
        if not self._of_address[watched.address]:
            del self._of_address[watched.address]

    def ways_to_end(self) -> list[Callable[[], None]]:
        """One for each socket that was not let go yet."""
        return [watched.let_go for watched in self._open if not watched.is_ending]

    def refuse(self, error: ApiError) -> ApiError:
        """Count what is not done; the error itself."""
        self.count(error.problem)
        return error

    def count(self, problem: Problem) -> None:
        """Count a refusal by its kind: kinds are the api's own, so there are few."""
        self.refused[problem.type.removeprefix(PROBLEM_TYPE)] += 1

    async def run(self) -> None:
        """Look at all sockets each second until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.look()
            except Exception:  # the boundary of this task: one look that failed must not be the last
                self.failures += 1
                logger.exception("looking at the open sockets failed")

    def look(self) -> None:
        """Close the sockets that may not stay."""
        now = self._clock.monotonic()
        for watched in list(self._open):
            if (fault := watched.fault(now, self._access)) is not None:
                self.refused[_KINDS.get(fault[1], "rights-ended")] += 1
                watched.end(*fault)


_KINDS = {"nothing was joined": "never-joined", "nothing was read": "too-slow"}
