"""Pushes windows to clients: at once when the api was idle, at most every 50 ms otherwise, and less often under pressure."""

import asyncio
import logging
from collections.abc import Callable
from operator import itemgetter

from opentelemetry.trace import Tracer
from taskscope_shared.clock import Clock
from taskscope_shared.settings import Push

from taskscope_api import cursors
from taskscope_api.clients import MAX_CHARACTERS, MAX_FRAMES, Client
from taskscope_api.cursors import Token
from taskscope_api.errors import ApiError
from taskscope_api.filters import Matcher
from taskscope_api.frame_spans import FrameSpans
from taskscope_api.frames import RowEncoder, error_frame, frame
from taskscope_api.live_view import LiveView
from taskscope_api.subscriptions import Subscription
from taskscope_api.windows import Window

__all__ = ["MAX_CHARACTERS", "MAX_FRAMES", "Client", "Hub"]

Scoped = Callable[[str], bool]
"""Whether a source is within a scope."""

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.05
"""Between rounds at the most frequent."""
PRESSURE = 4
"""A round and what it sends is followed by a pause of so many times its duration: pushing takes a fifth of the loop ..."""
RELAXED_SECONDS = 0.2
"""... but where rounds would be further apart than so long: those take up to half of it, so that frames are not too late."""
SECONDARY_SECONDS = 0.25
"""Changes of workers, queues and health alone may wait so long: heartbeats come without end."""
HEARTBEAT_SECONDS = 5.0
"""A window says something at least so often, so that a client notices a dead connection."""
CATCH_UP_SECONDS = 2.0
"""A client whose token is ahead of this api (another replica gave it) is answered when this api is there, or after so long."""
LOADING_SECONDS = 8.0
"""The same while this api has not read every source yet: it was just started."""
LOOK_SECONDS = 0.1
"""Between looks whether it has come so far."""
LINGER_SECONDS = 30.0
"""A window without clients is kept so long for one that reconnects."""
SWEEP_SECONDS = 60.0
"""Between two looks for windows that nobody looks at."""


class _Shown:
    """A window with those who look at it."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.clients: set[Client] = set()
        self.told_at = 0.0
        self.left_at: float | None = None

    @property
    def has_tasks(self) -> bool:
        """Whether frames are sent by tasks, which need their time, too."""
        return any(client.outlet is None for client in self.clients)


class Hub:
    """All windows and their clients. `is_ready` says whether every source of a scope was read once.

    `limits.searches` are windows with `q`: `texts.py` keeps the verdicts of so many words. With a `tracer` frames have spans.
    """

    def __init__(
        self,
        live: LiveView,
        clock: Clock,
        is_ready: Callable[[Scoped], bool] = lambda _: True,
        limits: Push | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._live = live
        self._clock = clock
        self._is_ready = is_ready
        self._limits = limits or Push()
        self._rows = RowEncoder()
        self._spans = None if tracer is None else FrameSpans(tracer, live.arrivals)
        self._shown: dict[Subscription, _Shown] = {}
        self._of: dict[Client, Subscription] = {}
        self._changed = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None
        self._next_at = 0.0
        self._busy = 0.0
        self._swept_at = clock.monotonic()
        self.cuts = 0
        self.rounds = 0
        self.sent = 0
        self.failures = 0
        live.listen(self._notice)

    @property
    def clients(self) -> int:
        """Clients that look at some window."""
        return len(self._of)

    @property
    def windows(self) -> int:
        """Different subscriptions, those that were left a moment ago among them."""
        return len(self._shown)

    # ----------------------------------------------------------------------------------------------------------- joins

    async def join(self, client: Client, wanted: Subscription, since: str | None = None) -> None:
        """Let the client look at a window instead of any before: a delta from the token `since`, or a snapshot without one.

        What is no token is told as an `error`, and so is one that fits no source; a snapshot follows. Waits for what the token
        knows and this api does not know yet. Raises `ApiError` when there are too many distinct windows.
        """
        self.leave(client)
        matcher = Matcher(wanted.filter, wanted.scope)
        await self._live.prepare(matcher)
        token = None if since is None else await self._token(client, since, matcher)
        self.leave(client)  # it may have joined meanwhile
        shown = self._shown.get(wanted) or self._open(wanted)
        self._advance(shown)
        now = self._clock.now()
        resumed = None if since is None or token is None else shown.window.resume(since, token, now)
        shown.clients.add(client)
        shown.left_at = None
        self._of[client] = wanted
        self.tell(client, frame("joined_room", {"room": "task_monitoring", "status": "joined"}))
        self.tell(client, resumed or shown.window.snapshot(now))

    async def _token(self, client: Client, since: str, matcher: Matcher) -> Token | None:
        """The token, when this api has come as far as it (or will not). None, after an `error`, for what is none of ours."""
        try:
            token = cursors.read_token(since)
        except cursors.BadTokenError:
            self._complain(client, "invalid-token", "this is no token of this api: a snapshot follows")
            return None
        await self._catch_up(token, matcher)
        if self._is_ready(matcher.scoped) and token.is_foreign_to(self._live.position(matcher.scoped)):
            self._complain(client, "foreign-token", "this token knows none of the sources here: a snapshot follows")
            return None
        return token

    async def _catch_up(self, token: Token, matcher: Matcher) -> None:
        began = self._clock.monotonic()
        while token.lacks(self._live.position(matcher.scoped)):
            limit = CATCH_UP_SECONDS if self._is_ready(matcher.scoped) else LOADING_SECONDS
            if self._clock.monotonic() - began >= limit:
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _complain(self, client: Client, kind: str, detail: str) -> None:
        self.tell(client, error_frame(ApiError.of_field("since", detail, kind).problem))

    def tell(self, client: Client, text: str) -> None:
        """Queue a frame for one client; one whose queue had to be cut looks at nothing any more."""
        if not client.offer(text):
            self.cuts += 1
            self.leave(client)

    def cut(self, client: Client) -> None:
        """Replace what waits for a client by a `resync`; it looks at nothing any more."""
        client.cut()
        self.cuts += 1
        self.leave(client)

    def snapshot(self, client: Client) -> None:
        """Send the client its window whole. Raises `ApiError` for one that looks at none."""
        wanted = self._of.get(client)
        if wanted is None:
            raise ApiError(400, "not-joined", "join_task_monitoring comes before request_task_updates")
        shown = self._shown[wanted]
        self._advance(shown)
        self.tell(client, shown.window.snapshot(self._clock.now()))

    def leave(self, client: Client) -> None:
        """The client looks at nothing any more."""
        wanted = self._of.pop(client, None)
        if wanted is not None:
            shown = self._shown[wanted]
            shown.clients.discard(client)
            if not shown.clients:
                shown.left_at = self._clock.monotonic()

    def _open(self, wanted: Subscription) -> _Shown:
        searches = {other: shown for other, shown in self._shown.items() if other.filter.q}
        if wanted.filter.q and len(searches) >= self._limits.searches:
            self._make_room(searches, "subscriptions with q")
        elif len(self._shown) >= self._limits.windows:
            self._make_room(self._shown, "different subscriptions")
        shown = self._shown[wanted] = _Shown(Window(wanted, self._live, self._rows))
        return shown

    def _make_room(self, among: dict[Subscription, _Shown], what: str) -> None:
        """Close the window that was left first. Raises `ApiError` when somebody looks at each of them."""
        idle = [(shown.left_at, wanted) for wanted, shown in among.items() if shown.left_at is not None]
        if not idle:
            raise ApiError(503, "too-many-windows", f"{len(among)} {what} are open already: try later")
        del self._shown[min(idle, key=itemgetter(0))[1]]

    # ---------------------------------------------------------------------------------------------------------- rounds

    def _notice(self, tasks: bool) -> None:  # noqa: FBT001 - a listener of the live view
        if tasks:
            self._changed.set()
        elif self._later is None and not self._changed.is_set():
            self._later = asyncio.get_running_loop().call_later(SECONDARY_SECONDS, self._changed.set)

    async def run(self) -> None:
        """Push until cancelled."""
        while True:
            try:
                await self._turn()
            except Exception:  # the boundary of this task: whatever one round stumbled over, the next may not
                self.failures += 1
                logger.exception("a round of pushing failed")

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(1.0):
                await self._changed.wait()
            await asyncio.sleep(max(0.0, self._next_at - loop.time()))
        except TimeoutError:
            pass  # once a second at least: heartbeats, and windows that nobody looks at any more
        began, sent = loop.time(), self.sent
        self._sweep()
        self._next_at = began + INTERVAL_SECONDS  # should the round fail
        busy = await self._round()
        pressure, self._busy = min(busy, self._busy), busy  # a single round may have been held up by something else
        self._next_at = began + max(INTERVAL_SECONDS if self.sent > sent else 0.0, _apart(pressure))

    async def _round(self) -> float:
        """Push what changed; seconds that this took, those of the tasks that send for clients without an outlet among them."""
        loop, busy = asyncio.get_running_loop(), 0.0
        self._changed.clear()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._rows.next_round()
        if self._spans is not None:
            self._spans.next_round()
        self.rounds += 1
        for wanted, shown in list(self._shown.items()):
            if not shown.clients:
                continue
            began = loop.time()
            try:
                self._advance(shown)
            except Exception:  # the boundary of a window: its defect must not end the others
                self.failures += 1
                logger.exception("a window failed: %r", wanted)
            taken = loop.time()
            await asyncio.sleep(0)
            busy += (loop.time() if shown.has_tasks else taken) - began
        return busy

    def _advance(self, shown: _Shown) -> None:
        now = self._clock.monotonic()
        due = bool(shown.clients) and now - shown.told_at >= HEARTBEAT_SECONDS
        at, clients = self._clock.now(), len(shown.clients)
        text = shown.window.advance(at, always=due or not shown.window.token)
        if text is None:
            return
        shown.told_at = now
        self.sent += 1
        for client in list(shown.clients):
            self.tell(client, text)
        if self._spans is not None and clients:
            self._spans.sent(shown.window.shows, at, {"taskscope.clients": clients, "taskscope.frame.characters": len(text)})

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        if now - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = now
        for wanted, shown in list(self._shown.items()):
            if shown.left_at is not None and not shown.clients and now - shown.left_at > LINGER_SECONDS:
                del self._shown[wanted]


def _apart(seconds: float) -> float:
    """How far from the beginning of a round that took so long the next one begins."""
    return min((PRESSURE + 1) * seconds, max(RELAXED_SECONDS, 2 * seconds))
