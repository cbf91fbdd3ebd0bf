"""Exports: whole lists as CSV or NDJSON, streamed. docs/export.md says what users may rely on.

What an export holds at any time is one chunk, and whatever its rows come from; the next chunk is made when the reader took
the one before. All exports together take one turn of some milliseconds, then everything else has its turn.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus

from msgspec.structs import replace
from quart import Response, g, request
from taskscope_shared.clock import Clock
from werkzeug.datastructures import MIMEAccept

from taskscope_api.errors import ApiError, respond
from taskscope_api.export_rows import CsvWriter, Format, NdjsonWriter, Row, Writer, columns_of, flat
from taskscope_api.principals import Access, Principal
from taskscope_api.queries import Parameters, single
from taskscope_api.streamed import Slot, StreamedBody

logger = logging.getLogger(__name__)

CONCURRENT = 4
"""Exports at once; one more is told to come back."""
RETRY_AFTER_SECONDS = 5
STALL_SECONDS = 30.0
"""A reader that does not take a chunk in this time is cut off."""
LONGEST_SECONDS = 3600.0
"""An export that takes longer is cut off."""
CHUNK_BYTES = 64 * 1024
"""A chunk is sent when it is so large. Beside it a connection holds 64 KB that the reader did not take yet."""
TURN_ROWS = 64
"""Rows written in one turn: some 2 ms."""
YIELDS = 4
"""Steps of all others after a turn: a request takes several."""

MEDIA_TYPES = {
    "application/json": Format.JSON,
    "text/csv": Format.CSV,
    "application/x-ndjson": Format.NDJSON,
    "application/ndjson": Format.NDJSON,
    "application/jsonl": Format.NDJSON,
}
CONTENT_TYPES = {Format.CSV: "text/csv; charset=utf-8; header=present", Format.NDJSON: "application/x-ndjson"}

Batches = AsyncGenerator[Sequence[Row]]


def format_asked(given: Parameters) -> Format:
    """The format that `format` or, without it, the Accept header asks for.

    Raises `ApiError`: 400 for an unknown `format`, 406 for a header that no format fits.
    """
    name = single(given, "format")
    if name is None:
        return _accepted(request.accept_mimetypes)
    if name not in list(Format):
        raise ApiError.of_field("format", f"{name[:40]!r} is no format; use one of {', '.join(Format)}")
    return Format(name)


def _accepted(accept: MIMEAccept) -> Format:
    if not accept:
        return Format.JSON
    best = accept.best_match(MEDIA_TYPES)
    if best is None:
        there_are = ", ".join(MEDIA_TYPES)
        raise ApiError(
            HTTPStatus.NOT_ACCEPTABLE,
            "not-acceptable",
            f"nothing here fits {accept.to_header()[:200]!r}; accept one of {there_are}, or say format=",
            field="Accept",
        )
    return MEDIA_TYPES[best]


def columns_asked(given: Parameters, known: Sequence[str]) -> tuple[str, ...] | None:
    """The columns that `fields` names, in its order; None when it names none. Raises `ApiError` naming those unknown."""
    names = [name.strip() for text in given.get("fields", ()) for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        shown = ", ".join(repr(name[:40]) for name in unknown[:10])
        raise ApiError.of_field("fields", f"there is no {shown}; the fields are {', '.join(known)}")
    return tuple(dict.fromkeys(names)) or None


def writer_of(format_: Format, columns: Sequence[str], chosen: Sequence[str] | None = None) -> Writer:
    """What writes rows in this format: of the columns `chosen`, or else of `columns` in CSV and whole in NDJSON."""
    return CsvWriter(chosen or columns) if format_ is Format.CSV else NdjsonWriter(chosen)


class Exports:
    """How many exports run, and whose turn it is. One for an app; `access` tells whose rights were taken away meanwhile."""

    def __init__(
        self, access: Access | None = None, concurrent: int = CONCURRENT, stall_seconds: float = STALL_SECONDS
    ) -> None:
        self._access = access
        self.concurrent = concurrent
        self.stall_seconds = stall_seconds
        self.running = 0
        self.stalled = 0
        self.rights_ended = 0
        self._turn = asyncio.Lock()

    def take(self) -> Slot | None:
        """A place among those that run, or None: there is none."""
        if self.running >= self.concurrent:
            return None
        self.running += 1
        return Slot(self._give_back)

    def _give_back(self) -> None:
        self.running -= 1

    def _note_stalled(self) -> None:
        self.stalled += 1
        logger.warning("an export was cut off: its reader took nothing for %s s", self.stall_seconds)

    def _holding(self) -> Callable[[], bool]:
        """Whether who asks has the rights still that the export began with. That they end by time ends nothing that began."""
        access, asking = self._access, g.get("principal")
        if access is None or not isinstance(asking, Principal):
            return lambda: True
        lasting = replace(asking, expires_at=None)

        def holds() -> bool:
            if access.holds(lasting):
                return True
            self.rights_ended += 1
            logger.warning("an export was cut off: the rights that it was begun with have ended")
            return False

        return holds

    async def pause(self) -> None:
        """After a turn's work: let everything else go on, and other exports take their turn."""
        async with self._turn:
            for _ in range(YIELDS):
                await asyncio.sleep(0)

    def stream(self, name: str, format_: Format, writer: Writer, batches: Batches, clock: Clock) -> Response:
        """The answer with the rows of `batches` as a file called after `name`; 429 when too many exports run."""
        if request.method == "HEAD":
            return _file(Response(), name, format_, clock)  # without a length: nobody knows it
        slot = self.take()
        if slot is None:
            return self._refused()
        chunks = _chunks(self, writer, batches)
        response = Response(StreamedBody(chunks, slot, self.stall_seconds, self._note_stalled, self._holding()))
        response.timeout = LONGEST_SECONDS
        return _file(response, name, format_, clock)

    async def rows(self, name: str, format_: Format, rows: Sequence[Row], clock: Clock) -> Response:
        """The answer with rows that are there already. In CSV nested objects become columns: `runtime.p50`."""
        if format_ is Format.NDJSON:
            return self.stream(name, format_, NdjsonWriter(None), _one(rows), clock)
        flattened: list[dict[str, object]] = []
        for turn in _turns(rows):
            flattened += map(flat, turn)
            await self.pause()
        return self.stream(name, format_, CsvWriter(columns_of(flattened)), _one(flattened), clock)

    def _refused(self) -> Response:
        many = f"{self.concurrent} exports run already: come back in {RETRY_AFTER_SECONDS} s"
        response = respond(ApiError(HTTPStatus.TOO_MANY_REQUESTS, "too-many-exports", many).problem)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


def _file(response: Response, name: str, format_: Format, clock: Clock) -> Response:
    moment = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y%m%dT%H%M%SZ")
    response.headers["Content-Type"] = CONTENT_TYPES[format_]
    response.headers["Content-Disposition"] = f'attachment; filename="taskscope-{name}-{moment}.{format_}"'
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept")
    return response


async def _one(rows: Sequence[Row]) -> Batches:
    yield rows


def _turns(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[first : first + TURN_ROWS] for first in range(0, len(rows), TURN_ROWS))


async def _chunks(exports: Exports, writer: Writer, batches: Batches) -> AsyncGenerator[bytes]:
    parts = [writer.header()]
    async with aclosing(batches):
        async for batch in batches:
            for turn in _turns(batch):
                parts.append(writer.rows(turn))
                await exports.pause()
                if sum(map(len, parts)) >= CHUNK_BYTES:
                    yield b"".join(parts)
                    parts.clear()
    yield b"".join(parts)
