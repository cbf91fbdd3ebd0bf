"""What clients hand back without looking inside: cursors of lists and resume tokens of windows (base64url of msgpack)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hashlib import blake2b
from typing import TypeVar

import msgspec
from taskscope_shared.model import Position

from taskscope_api.errors import ApiError
from taskscope_api.sorting import Place

FORMAT = 2
"""Of cursors and tokens; others are refused."""
LIST_BYTES = 8
"""Of the digest by which a cursor knows its list."""
MAX_LENGTH = 8192
"""Characters of a cursor or token that is looked at."""

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
    places: list[tuple[str, str, int, int]]
    stamp: str


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
        found = _decode(text, _Cursor)
    except BadTokenError as error:
        raise ApiError.of_field("cursor", "this is no cursor: take next_cursor of the page before", "invalid-cursor") from error
    if found.sort != sort:
        raise ApiError.of_field("cursor", f"this cursor belongs to sort={found.sort}, not {sort}", "invalid-cursor")
    if found.list != listed:
        detail = "this cursor belongs to another list: give it with the parameters of the page that it came from"
        raise ApiError.of_field("cursor", detail, "invalid-cursor")
    return Place(found.rank, found.value, found.key)


def token(vector: Vector, stamp: str = "") -> str:
    """The token of these positions; `stamp` tells frames apart that end at the same ones."""
    places = [(name, incarnation, position.epoch, position.seq) for name, (incarnation, position) in sorted(vector.items())]
    return _encode(_Token(FORMAT, places, stamp))


def check_token(text: str) -> None:
    """Raises `BadTokenError` for what is no token of this api."""
    _decode(text, _Token)


def _encode(value: msgspec.Struct) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(value)).rstrip(b"=").decode()


def _decode(text: str, kind: type[Decoded]) -> Decoded:
    if len(text) > MAX_LENGTH:
        raise BadTokenError
    try:
        found = msgspec.msgpack.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (Base64Error, ValueError, msgspec.DecodeError) as error:
        raise BadTokenError from error
    if found.format != FORMAT:
        raise BadTokenError
    return found
