"""Windows as server-sent events: `GET /api/stream`. A stream says what a WebSocket would be told of one window."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated

import msgspec

from taskscope_api import cursors
from taskscope_api.clients import Client
from taskscope_api.described import says
from taskscope_api.errors import problem
from taskscope_api.exports import columns_asked
from taskscope_api.filters import filter_of
from taskscope_api.frames import error_frame
from taskscope_api.queries import Fields, FilterQuery, Parameters, limit_of, single
from taskscope_api.sorting import DEFAULT_SORT, SORT_NAMES
from taskscope_api.streamed import Slot, StreamedBody
from taskscope_api.subscriptions import DEFAULT_LIMIT, MAX_LIMIT, Join
from taskscope_api.wire import TaskRow

logger = logging.getLogger(__name__)

STALL_SECONDS = 30.0
"""A reader that does not take an event in this time is cut off."""
MAX_SHARED = 4 * 1024 * 1024
"""Characters of frames whose events are kept."""
KEEP_ALIVE_SECONDS = 15.0
"""After so long without an event a comment is sent: proxies end what is silent."""
RETRY_MILLISECONDS = 2000
"""After which a browser comes back when a stream ended."""
MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nobody keeps a stream, and no proxy collects it before passing it on."""
UNSAID = frozenset({"joined_room"})
"""What a stream does not say: its reader joined by asking for it."""
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8"
End = asyncio.Future[str | None]
"""Of a stream: it comes with the last frame, if there is one to say."""


class StreamQuery(FilterQuery):
    """Of `/api/stream`: a subscription, and where to go on."""

    sort: Annotated[
        str,
        says("What to order by, descending with `-`; `live`: running tasks first", "-updated_at", enum=list(SORT_NAMES)),
    ] = DEFAULT_SORT
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=MAX_LIMIT, examples=[DEFAULT_LIMIT]), says("Tasks that the window shows at most")
    ] = DEFAULT_LIMIT
    fields: Annotated[
        Fields | None, says("Members of the tasks, to which `key` and `version` are added; without it all", ["state"])
    ] = None
    since: Annotated[
        str | None, says("Where to go on: the `id` of the last event, for whoever cannot send `Last-Event-ID`", "lZGTAaFz")
    ] = None


class StreamHeaders(msgspec.Struct):
    """What a reader that comes back sends; browsers do by themselves."""

    last_event_id: Annotated[
        str | None,
        says("Where to go on: the `id` of the last event that was read. It counts before `since`", "lZGTAaFz"),
        msgspec.Meta(extra_json_schema={"maxLength": cursors.MAX_LENGTH}),
    ] = msgspec.field(default=None, name="Last-Event-ID")


class _Frame(msgspec.Struct):
    event: str
    data: msgspec.Raw


class _Standing(msgspec.Struct):
    position: str | None = None


_frames = msgspec.json.Decoder(_Frame)
_standings = msgspec.json.Decoder(_Standing)


def join_of(given: Parameters, last_event_id: str | None) -> Join:
    """The subscription that the parameters ask for. Raises `ApiError` that names the one that is wrong."""
    fields = columns_asked(given, TaskRow.__struct_fields__)
    return Join(
        filter=filter_of(given),
        sort=single(given, "sort"),
        limit=limit_of(given, DEFAULT_LIMIT),
        fields=None if fields is None else list(fields),
        since=last_event_id or single(given, "since"),
    )


def event_of(frame: str) -> tuple[str, bytes]:
    """The name of a frame's event, and the event as text. JSON has no line breaks, so its data are one line."""
    told = _frames.decode(frame.encode())
    data = bytes(told.data)
    position = _standings.decode(data).position if told.event == "task_updates" else None
    id_ = "" if position is None else f"id: {position}\n"
    return told.event, f"event: {told.event}\n{id_}data: ".encode() + data + b"\n\n"


class SharedEvents:
    """Events of the frames that were sent last: streams of equal subscriptions get the same one, taken apart once."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._characters = 0

    def of(self, frame: str) -> tuple[str, bytes]:
        """As `event_of`."""
        found = self._made.get(frame)
        if found is None:
            found = self._made[frame] = event_of(frame)
            self._characters += len(frame)
            while self._characters > MAX_SHARED and self._made:
                self._characters -= len(self._made.popitem(last=False)[0])
        return found


class Streams:
    """What the streams of this process have in common; `services.sockets` counts and watches them with the WebSockets."""

    def __init__(self, stall_seconds: float = STALL_SECONDS, keep_alive_seconds: float = KEEP_ALIVE_SECONDS) -> None:
        self._stall_seconds = stall_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._shared = SharedEvents()
        self.stalled = 0

    def body(self, client: Client, slot: Slot, end: End) -> StreamedBody:
        """What the client is told, until it is cut or `end` has come."""
        return StreamedBody(self._events(client, end), slot, self._stall_seconds, self._note_stalled)

    def _note_stalled(self) -> None:
        self.stalled += 1
        logger.warning("a stream was cut off: its reader took nothing for %s s", self._stall_seconds)

    async def _events(self, client: Client, end: End) -> AsyncGenerator[bytes]:
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        frames = client.frames()
        coming = asyncio.ensure_future(anext(frames))
        try:
            while not end.done():
                await asyncio.wait((coming, end), timeout=self._keep_alive_seconds, return_when=asyncio.FIRST_COMPLETED)
                if not end.done() and not coming.done():
                    yield b": nothing happened\n\n"
                elif not end.done():
                    name, text = self._shared.of(coming.result())
                    if name not in UNSAID:
                        yield text
                    if name == "resync":
                        return
                    coming = asyncio.ensure_future(anext(frames))
            if (last := end.result()) is not None:
                yield event_of(last)[1]
        finally:
            coming.cancel()
            await asyncio.wait((coming,))


RIGHTS_ENDED_FRAME = error_frame(problem(HTTPStatus.UNAUTHORIZED, "rights-ended", "say anew who you are"))


def new_end() -> End:
    """One that has not come."""
    return asyncio.get_running_loop().create_future()


def bring(end: End, last: str | None = None) -> None:
    """Let the end come; a second time does nothing."""
    if not end.done():
        end.set_result(last)
