"""What a job runs and with which arguments, from its serialized `data`, without running anything.

`data` is zlib of a pickle (first byte 0x80 or an opcode of protocol 0) or of JSON (`[` or `{`) of (function, instance, args,
kwargs). It was uncompressed once, and a custom serializer may write anything.
"""

import binascii
import zlib
from base64 import b64decode
from dataclasses import dataclass

import msgspec
from taskscope_shared.clock import Clock

from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.rq.inert_pickle import Budget, InertPickleError, first_text, load

INFLATED_BYTES = 262_144
"""Most that one payload may inflate to; a zip bomb is cut here."""
_NAME_LENGTH = 200
_PARTS = 4
BUDGET = Budget(bytes=INFLATED_BYTES, objects=5_000, seconds=0.02)


@dataclass(frozen=True)
class Call:
    """A job's function and arguments, redacted and capped. None: could not be read."""

    name: str | None = None
    args: str | None = None
    kwargs: str | None = None


class Undecodable:
    """Stands for a value that could not be read."""


UNDECODABLE = Undecodable()


def inflate(data: bytes, limit: int = INFLATED_BYTES) -> bytes:
    """At most `limit` bytes of what zlib packed; `data` itself, cut, if it is not zlib."""
    try:
        return zlib.decompressobj().decompress(data, limit)
    except zlib.error:
        return data[:limit]


def decode(data: bytes, clock: Clock) -> object:
    """The plain value of JSON or of an inert pickle; `UNDECODABLE` if it is neither, cut off, or too costly."""
    if data[:1] in (b"[", b"{", b'"') or (data[:1] not in (b"\x80", b"(", b"]", b"}") and data[-1:] != b"."):
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return UNDECODABLE
    try:
        return load(data, BUDGET, clock)
    except InertPickleError:
        return UNDECODABLE


def read_call(data: bytes, description: str | None, redactor: Redactor, clock: Clock) -> Call:
    """The call in `data`; where `data` cannot be read, `description`, which RQ writes as `function(args)`, says it."""
    plain = inflate(data)
    value = decode(plain, clock) if plain else UNDECODABLE
    if isinstance(value, list | tuple) and len(value) == _PARTS and isinstance(value[0], str):
        return Call(_name(value[0]), redactor.value(_sequence(value[2])), redactor.value(value[3] or {}))
    described = described_call(description, redactor)
    name = first_text(plain, BUDGET, clock) if plain[:1] == b"\x80" else None
    return Call(_name(name) if name else described.name, described.args)


def described_call(description: str | None, redactor: Redactor) -> Call:
    """What `description` says, if it looks like a call (users may set it to anything)."""
    if not description or not description.endswith(")"):
        return Call()
    name, parenthesis, arguments = description.partition("(")
    if not parenthesis or not name.replace(".", "").replace("_", "").isalnum():
        return Call()
    return Call(_name(name), redactor.text(f"({arguments}"))


def read_value(data: bytes, redactor: Redactor, clock: Clock) -> str | None:
    """A preview of a stream's `return_value`: base64 of what the serializer wrote."""
    try:
        raw = b64decode(data, validate=False)
    except (binascii.Error, ValueError):
        return None
    value = decode(raw, clock)
    if isinstance(value, Undecodable):
        return f"<{len(raw)} bytes>"
    return clean(redactor.value(value))


def clean(text: str) -> str:
    """`text` without halves of surrogate pairs, which nobody could encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _name(name: str) -> str:
    return clean(name[:_NAME_LENGTH])


def _sequence(args: object) -> object:
    return tuple(args) if isinstance(args, list) else args
