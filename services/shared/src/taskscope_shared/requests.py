"""What the api asks the collector for, since it opens no connection to a broker itself: questions, answers, and their way.

`redis_requests` goes through Redis, `testing.MemoryRequests` is its in-memory twin; both pass
`tests/contract/test_requests.py`. Structs are encoded as arrays: fields are only ever appended, with a default.
"""

import secrets
from typing import Final, Protocol

import msgspec

from taskscope_shared import tracing
from taskscope_shared.codec import UnknownCodecError
from taskscope_shared.store import Lease

REQUESTS_CODEC = 1
"""Version written. A collector refuses, and an api does not read, what is newer."""
OUTSTANDING: Final = 64
"""Questions of one asker that may wait for their answers; one more is refused at once."""
ASKED_AT_MOST: Final = 256
"""Questions in a source's stream; the oldest goes when one more comes."""
ASKED_SECONDS: Final = 60
"""A stream of questions that nobody adds to lives for so long."""
ANSWER_BYTES: Final = 1024 * 1024
"""An answer that is larger is refused by whoever would send it."""


class NoAnswerError(Exception):
    """Nobody answered in time, or the answer was no; the message says why, for people."""


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """One question. It is worth nothing `seconds` after it was put into the stream, by the clock of the stream's server.

    `arguments` is the struct of `kind`, encoded; `answer_to` is where the asker looks for the answer. `traceparent` and
    `tracestate` are the asker's span (W3C Trace Context), which the answerer continues; null where nothing is traced.
    """

    codec: int
    id: str
    source: str
    kind: str
    arguments: bytes
    seconds: float
    answer_to: str
    traceparent: str | None = None
    tracestate: str | None = None


class Answer(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    """The answer to the question `id`: an encoded struct, or, with `refused`, why there is none."""

    codec: int
    id: str
    body: bytes | None = None
    refused: str | None = None


class Taken(msgspec.Struct, frozen=True):
    """A question that is this answerer's alone. `left_seconds`: until its asker gives up."""

    ask: Ask
    left_seconds: float


# --------------------------------------------------------------------------------------------------------------- kinds

PLACE: Final = "place"
WORKER: Final = "worker"


class PlaceOf(msgspec.Struct, frozen=True, array_like=True):
    """Kind `place`: where is the task in the queue?"""

    task_id: str
    queue: str


class Place(msgspec.Struct, frozen=True, array_like=True):
    """`position` 1 is taken next. Without one, `reason` says why, and `ahead_at_least` how many were seen to be before it."""

    position: int | None = None
    ahead_at_least: int | None = None
    depth: int | None = None
    reason: str | None = None


class WorkerOf(msgspec.Struct, frozen=True, array_like=True):
    """Kind `worker`: what does the worker know, and how is it configured?"""

    name: str


Setting = str | int | float | bool | None


class WorkerFacts(msgspec.Struct, frozen=True, array_like=True):
    """Names of the tasks that a worker knows, and its configuration without secrets; `unknown` says why one is None."""

    registered: list[str] | None = None
    configuration: dict[str, Setting] | None = None
    unknown: dict[str, str] = {}


# ------------------------------------------------------------------------------------------------------------- the way


class Asker(Protocol):
    """The api's side."""

    async def ask(self, source: str, kind: str, arguments: msgspec.Struct, seconds: float) -> bytes:
        """The answer's encoded struct. Raises `NoAnswerError`, at the latest `seconds` from now."""
        ...

    async def close(self) -> None:
        """Give up what is asked, and close all connections."""
        ...


class Answerer(Protocol):
    """The collector's side."""

    async def take(self, lease: Lease, wait_seconds: float) -> list[Taken]:
        """Questions that are not too late, each given to one answerer once; waits at most `wait_seconds` for some.

        Raises `LeaseLostError` when `lease` is not held any more: then nothing was taken; `StoreError`.
        """
        ...

    async def answer(self, ask: Ask, answer: Answer) -> None:
        """Send the answer. Raises `StoreError`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


_encoder = msgspec.msgpack.Encoder()
_ask = msgspec.msgpack.Decoder(Ask)
_answer = msgspec.msgpack.Decoder(Answer)

encode = _encoder.encode


def new_id() -> str:
    """A name for a question or an asker that nobody else has."""
    return secrets.token_hex(12)


def ask_of(source: str, kind: str, arguments: msgspec.Struct, seconds: float, answer_to: str) -> Ask:
    """A new question, with the span that is going on."""
    return Ask(REQUESTS_CODEC, new_id(), source, kind, encode(arguments), seconds, answer_to, **tracing.written())


def answer_of(ask: Ask, body: msgspec.Struct) -> Answer:
    """The answer with `body`; one that says so when it is too large."""
    encoded = encode(body)
    if len(encoded) > ANSWER_BYTES:
        return refusal(ask, f"the answer has {len(encoded)} bytes; at most {ANSWER_BYTES} are sent")
    return Answer(REQUESTS_CODEC, ask.id, encoded)


def refusal(ask: Ask, reason: str) -> Answer:
    """The answer that there is none."""
    return Answer(REQUESTS_CODEC, ask.id, refused=reason)


def body_of(answer: Answer) -> bytes:
    """What was answered. Raises `NoAnswerError` with the reason when nothing was."""
    if answer.body is None or answer.refused is not None:
        raise NoAnswerError(answer.refused or "the collector's answer is empty")
    return answer.body


def decode_ask(data: bytes) -> Ask:
    """Raises `UnknownCodecError` for a version that cannot be read, `msgspec.DecodeError` for anything else that is wrong."""
    ask = _ask.decode(data)
    _check(ask.codec)
    return ask


def decode_answer(data: bytes) -> Answer:
    """Raises as `decode_ask`."""
    answer = _answer.decode(data)
    _check(answer.codec)
    return answer


def _check(codec: int) -> None:
    if codec != REQUESTS_CODEC:
        raise UnknownCodecError(codec)
