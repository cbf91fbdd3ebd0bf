"""What clients of Socket.IO say, and what they are told: docs/architecture.md, "Socket.IO"."""

import asyncio
import logging
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from engineio.packet import Packet
from socketio.exceptions import ConnectionRefusedError as Refused
from taskscope_shared.store import StoreError

from taskscope_api.asked import SCOPE_KEY
from taskscope_api.errors import UNFORESEEN, ApiError, Problem, problem
from taskscope_api.frames import ProblemData
from taskscope_api.hub import Client
from taskscope_api.principals import IDENTIFIED, Role, admitted, identified
from taskscope_api.push_events import permit
from taskscope_api.services import Services
from taskscope_api.socket_io.engine import NAMESPACE, Server
from taskscope_api.socket_io.packets import SharedPackets, packet_of
from taskscope_api.socket_io.sessions import MESSAGES_A_SECOND, Session, Sessions
from taskscope_api.socket_io.snapshots import Snapshots
from taskscope_api.subscriptions import read_join, subscription
from taskscope_api.wire import time_text

logger = logging.getLogger(__name__)

JOINED = {"room": "task_monitoring", "status": "joined"}
WATCH_SECONDS = 1.0
"""Between two looks at whether rights still hold, and at who has to go."""
Answer = dict[str, Any]


class Said(NamedTuple):
    """One message of a client."""

    event: str
    data: object


class Clients:
    """All clients of this process. `server` is python-socketio's."""

    def __init__(self, services: Services, replica: str) -> None:
        self._services = services
        self._shared = SharedPackets()
        self.sessions = Sessions(services.clock, services.identity.addresses)
        self.snapshots = Snapshots(services.live, self._deliver)
        self.failures = 0
        self._ending: set[asyncio.Task[None]] = set()
        self.server = Server(replica, services.clock, self)
        self.server.on("connect", self._connect)
        self.server.on("disconnect", self._disconnect)
        self.server.on("*", self._event)

    # ------------------------------------------------------------------------------------------------------ connections

    def came(self, session: str, scope: Mapping[str, Any]) -> None:
        """See `engine.Listener`."""
        self.sessions.add(session, scope)

    def gone(self, session: str) -> None:
        """See `engine.Listener`."""
        found = self.sessions.remove(session)
        if found is not None:
            self._leave(found)

    async def garbage(self, session: str) -> None:
        """See `engine.Listener`: the session ends."""
        self.sessions.counts.garbage += 1
        await self.server.eio.end(session)

    async def admitted(self, session: str) -> None:
        """See `engine.Listener`: the first event."""
        connected = {"status": "connected", "timestamp": time_text(self._services.clock.now())}
        await self.server.send(session, packet_of("connected", connected))

    async def _connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        session = self._session(sid)
        if session is None:
            raise Refused("this connection has ended")
        scope = with_token(environ["asgi.scope"], auth)
        try:
            session.principal = await admitted(scope, Role.VIEWER, self._services.access)
        except ApiError as error:
            raise _refusal(error.problem) from None
        except StoreError as error:
            raise _refusal(problem(503, "store-unavailable", f"who asks is looked up in Redis: {error}")) from None
        if scope["headers"] is environ["asgi.scope"]["headers"]:
            session.named = session.principal
        asked = session.scope.get(SCOPE_KEY)
        if asked is not None:
            asked.principal = session.principal.name

    async def is_theirs(self, session: Session, scope: Mapping[str, Any]) -> bool:
        """Whether a request of the session comes from its client. The session's name alone, which is in URLs, lets nobody in
        whose own header or cookie names somebody else, or nobody. Raises `ApiError` (503) when that cannot be told.
        """
        if (theirs := session.named) is None:
            return True
        asked = {**{name: value for name, value in scope.items() if name != IDENTIFIED}, "method": "GET"}  # origins: the door
        try:
            asking = await identified(asked, self._services.access)
        except ApiError as error:
            if error.problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            return False
        return asking is not None and (asking.name, asking.credential) == (theirs.name, theirs.credential)

    async def _disconnect(self, sid: str, *_: object) -> None:
        session = self._session(sid)
        if session is not None:
            self._leave(session)
            session.principal, session.began = None, self._services.clock.monotonic()

    def _session(self, sid: str) -> Session | None:
        return self.sessions.by_id.get(self.server.session_of(sid) or "")

    # ----------------------------------------------------------------------------------------------------------- events

    async def _event(self, event: str, sid: str, *arguments: object) -> Answer:
        """Do what the client says; what its acknowledgement callback gets."""
        session = self._session(sid)
        if session is None or session.principal is None:
            return {}
        try:
            self._check_pace(session)
            permit(event, session.principal)
            return await self._obey(Said(event, arguments[0] if arguments else None), session)
        except ApiError as error:
            return await self._complain(session, error.problem)
        except Exception:  # the boundary of a message: a defect of ours must not end the connection
            self.failures += 1
            logger.exception("a message of a Socket.IO client failed: %r", event[:100])
            return await self._complain(session, UNFORESEEN)

    async def _obey(self, said: Said, session: Session) -> Answer:
        match said.event:
            case "join_task_monitoring":
                return await self._join(session, said.data)
            case "request_task_updates":
                return await self._request(session)
            case "leave_task_monitoring":
                self._leave(session)
        return {"status": "left"}

    def _check_pace(self, session: Session) -> None:
        if not session.may_speak(self._services.clock.monotonic()):
            self.sessions.counts.throttled += 1
            raise ApiError(429, "too-many-messages", f"a client may send {MESSAGES_A_SECOND} messages a second")

    async def _join(self, session: Session, wanted: object) -> Answer:
        if wanted is None:
            await self._join_whole(session)
        else:
            await self._join_window(session, wanted)
        return JOINED

    async def _join_whole(self, session: Session) -> None:
        self._leave(session)
        session.is_whole = True
        self.snapshots.add(session)
        await self.server.send(session.id, packet_of("joined_room", JOINED))
        await self.snapshots.give(self._services, session)

    async def _join_window(self, session: Session, wanted: object) -> None:
        join = read_join(msgspec.Raw(msgspec.json.encode(wanted)))
        asked_for = subscription(join, session.sources)
        if session.window is None:
            self._leave(session)
            session.window = Client()
            session.pump = asyncio.create_task(self._pump(session, session.window), name="socket-io")
        client = session.window
        await self._services.hub.join(client, asked_for, join.since)
        if session.window is not client:  # it left while its window was looked for
            self._services.hub.leave(client)

    async def _request(self, session: Session) -> Answer:
        if session.window is not None:
            self._services.hub.snapshot(session.window)
        elif not await self.snapshots.give(self._services, session):
            raise ApiError(429, "too-slow", "the snapshot before this one was not taken yet")
        return {"status": "sent"}

    def _leave(self, session: Session) -> None:
        """It looks at nothing any more."""
        if session.is_whole:
            self.snapshots.discard(session)
            session.is_whole = False
        if session.window is not None:
            self._services.hub.leave(session.window)
            session.window = None
        if session.pump is not None:
            session.pump.cancel()
            session.pump = None

    async def _complain(self, session: Session, wrong: Problem) -> Answer:
        """Tell what was wrong, by an event and to the acknowledgement."""
        data = ProblemData(wrong.type, wrong.title, wrong.detail, wrong.field)
        await self.server.send(session.id, packet_of("error", data))
        answer: Answer = msgspec.to_builtins(wrong)
        return answer

    # --------------------------------------------------------------------------------------------------------- delivery

    async def _deliver(self, session: Session, packet: Packet) -> bool:
        queue = self.server.queue(session.id)
        if queue is None or queue.holds(session.told):
            return False
        session.told = packet
        await self.server.send(session.id, packet)
        return True

    async def _pump(self, session: Session, client: Client) -> None:
        """The window's frames, each when the client took the one before: what it does not take waits in `client`, bounded."""
        async for text in client.frames():
            queue = self.server.queue(session.id)
            if queue is None:
                return
            await queue.join()
            await self.server.send(session.id, self._shared.of(text))

    # --------------------------------------------------------------------------------------------------------- watching

    async def watch(self) -> None:
        """Look after the clients until cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._look()
            except Exception:  # the boundary of this task: whatever one look stumbled over, the next may not
                self.failures += 1
                logger.exception("looking after Socket.IO's clients failed")

    async def _look(self) -> None:
        counts = self.sessions.counts
        for session in list(self.sessions.by_id.values()):
            queue = self.server.queue(session.id)
            if queue is not None and queue.overfull:
                counts.overfull += 1
                await self.server.eio.end(session.id)
            elif session.principal is not None and not self._services.access.holds(session.principal):
                counts.rights_ended += 1
                await self._dismiss(session)
        for session in self.sessions.late():
            await self.server.eio.end(session.id)

    async def _dismiss(self, session: Session) -> None:
        """Its rights ended. The client is told that the server did this, upon which it does not try again by itself."""
        sid = self.server.sid_of(session.id)
        if sid is not None:
            await self.server.disconnect(sid, namespace=NAMESPACE)
        await self.server.eio.end(session.id)

    def ways_to_end(self) -> list[Callable[[], None]]:
        """One for each session. Its client sees its connection break, upon which it comes back by itself."""
        return [partial(self._let_go, session) for session in self.sessions.by_id]

    def _let_go(self, session: str) -> None:
        ending = asyncio.create_task(self.server.eio.end(session), name="socket-io-end")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End all sessions."""
        for session in list(self.sessions.by_id.values()):
            self._leave(session)
        await self.server.shutdown()


def with_token(scope: Mapping[str, Any], auth: object) -> MutableMapping[str, Any]:
    """A copy of the request, of which it is not known yet who sent it.

    `auth: {token: ...}` of the client is its `Authorization` if it has none: browsers cannot set one.
    """
    made = {name: value for name, value in scope.items() if name != IDENTIFIED}
    token = auth.get("token") if isinstance(auth, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        return made
    if not any(name == b"authorization" for name, _ in scope["headers"]):
        made["headers"] = [*scope["headers"], (b"authorization", f"Bearer {token}".encode())]
    return made


def _refusal(wrong: Problem) -> Refused:
    return Refused(wrong.detail, msgspec.to_builtins(wrong))
