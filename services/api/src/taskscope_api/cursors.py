"""What clients hand back without looking inside: cursors of lists and resume tokens of windows (base64url of msgpack).

A token says all that is needed to go on from it, so any replica can: how far each source was read, and which rows were shown.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from hashlib import blake2b
from typing import TypeVar

import msgspec
from taskscope_shared.model import Position

from taskscope_api.errors import ApiError
from taskscope_api.sorting import Place

FORMAT = 2
"""Of cursors; others are refused."""
TOKEN_FORMAT = 3
LIST_BYTES = 8
"""Of the digest by which a cursor knows its list."""
MAX_LENGTH = 8000
"""Characters of a cursor or token that is looked at. Proxies take header lines of 8 KB, and a token may come in one."""
MAX_PLACES = 100
"""Sources in a token. With 500 rows it has 7,500 characters; the rows of further sources are sent again."""
ROW_BYTES = 6
"""Of a row's hash: two of 500 rows and 500 others agree once in a thousand million times."""

Vector = dict[str, tuple[str, Position]]
"""Source -> incarnation and position."""


class BadTokenError(Exception):
    """The text is no token of this api."""


class _Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    format: int
    sort: str
    list: str
    rank: tuple[int, str]
    value: float
    key: str


class _Token(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    format: int
    fields: bytes
    places: list[tuple[bytes, int, int]]
    rows: bytes


class Token(msgspec.Struct, frozen=True):
    """What a client holds: rows with the fields of this digest, shown when the sources stood at these positions.

    A source and its incarnation are one hash (`place_mark`): nobody learns a name from a token, or from what is said to it.
    """

    fields: bytes
    places: dict[bytes, Position]
    rows: frozenset[bytes]

    def lacks(self, vector: Vector) -> bool:
        """Whether these sources are not (yet) where the token is."""
        there = places(vector)
        return any(mark not in there or there[mark] < position for mark, position in self.places.items())

    def is_foreign_to(self, vector: Vector) -> bool:
        """Whether it knows none of these sources, though it knows some."""
        return bool(self.places) and not self.places.keys() & places(vector).keys()


Decoded = TypeVar("Decoded", _Cursor, _Token)


def of_list(*told: object) -> str:
    """What tells a list from others: a digest of its filter, and whatever else chooses what is in it."""
    return blake2b(msgspec.json.encode(told, order="sorted"), digest_size=LIST_BYTES).hexdigest()


def cursor(sort: str, listed: str, place: Place) -> str:
    """The cursor of the page behind `place` of that list (`of_list`)."""
    return _encode(_Cursor(FORMAT, sort, listed, place.rank, place.value, place.key))


def place_of(text: str, sort: str, listed: str) -> Place:
    """Where a cursor stands. Raises `ApiError` for one that is not of this sort, this list or this api."""
    try:
        found = _decode(text, _Cursor, FORMAT)
    except BadTokenError as error:
        raise ApiError.of_field("cursor", "this is no cursor: take next_cursor of the page before", "invalid-cursor") from error
    if found.sort != sort:
        raise ApiError.of_field("cursor", f"this cursor belongs to sort={found.sort}, not {sort}", "invalid-cursor")
    if found.list != listed:
        detail = "this cursor belongs to another list: give it with the parameters of the page that it came from"
        raise ApiError.of_field("cursor", detail, "invalid-cursor")
    return Place(found.rank, found.value, found.key)


def token(vector: Vector, fields: bytes = b"", rows: Iterable[bytes] = ()) -> str:
    """The token of these positions, and of the rows (`row_mark` each) that were shown with the fields of that digest."""
    at = [(mark, position.epoch, position.seq) for mark, position in list(places(vector).items())[:MAX_PLACES]]
    return _encode(_Token(TOKEN_FORMAT, fields, at, b"".join(rows)))


def read_token(text: str) -> Token:
    """Raises `BadTokenError` for what is no token of an api of this version."""
    found = _decode(text, _Token, TOKEN_FORMAT)
    if len(found.rows) % ROW_BYTES:
        raise BadTokenError
    at = {mark: Position(epoch, seq) for mark, epoch, seq in found.places}
    rows = (found.rows[first : first + ROW_BYTES] for first in range(0, len(found.rows), ROW_BYTES))
    return Token(found.fields, at, frozenset(rows))


def places(vector: Vector) -> dict[bytes, Position]:
    """The positions by the sources' marks."""
    return {place_mark(name, incarnation): position for name, (incarnation, position) in sorted(vector.items())}


def place_mark(source: str, incarnation: str) -> bytes:
    """A source's state from when it was begun: 8 bytes."""
    return _hash(f"{source}\0{incarnation}", 8)


def row_mark(key: str) -> bytes:
    """A row among those of a window."""
    return _hash(key, ROW_BYTES)


def fields_mark(fields: Iterable[str]) -> bytes:
    """What a row consists of: one with other fields cannot be gone on from."""
    return _hash("\0".join(fields), 4)


def _hash(text: str, size: int) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


def _encode(value: msgspec.Struct) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(value)).rstrip(b"=").decode()


def _decode(text: str, kind: type[Decoded], known: int) -> Decoded:
    if len(text) > MAX_LENGTH:
        raise BadTokenError
    try:
        found = msgspec.msgpack.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (Base64Error, ValueError, msgspec.DecodeError) as error:
        raise BadTokenError from error
    if found.format != known:
        raise BadTokenError
    return found
