"""What a client of the WebSocket may say, and the subscription that results."""

import re
from typing import Annotated, TypeVar

import msgspec

from taskscope_api.described import says
from taskscope_api.errors import ApiError
from taskscope_api.filters import Filter
from taskscope_api.sorting import DEFAULT_SORT, Sort, sort_named
from taskscope_api.wire import TaskRow

MAX_LIMIT = 500
DEFAULT_LIMIT = 100
ALWAYS = ("key", "version")
"""Fields that a client gets whatever it asked for: without them it cannot apply a delta."""


class Join(msgspec.Struct, forbid_unknown_fields=True):
    """`join_task_monitoring`: everything is optional."""

    filter: Annotated[Filter | None, says("Which tasks; null: all of them", {"state": ["failed", "lost"], "kind": ["vod"]})] = (
        None
    )
    sort: Annotated[
        str | None, says(f"A field to order by, descending with `-`, or `live`; null: `{DEFAULT_SORT}`", DEFAULT_SORT)
    ] = None
    limit: Annotated[
        int | None, says(f"Tasks that the window shows, 1 to {MAX_LIMIT}; null: {DEFAULT_LIMIT}", DEFAULT_LIMIT)
    ] = None
    fields: Annotated[
        list[str] | None, says("Members of a task, to which `key` and `version` are added; null: all", ["state", "name"])
    ] = None
    since: Annotated[str | None, says("The `position` of the last frame: where to go on", "lZGTAaFz")] = None


class ClientMessage(msgspec.Struct):
    """Whatever a client sends. `traceparent` and `tracestate` (W3C Trace Context) say which trace it is part of, if any."""

    event: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    traceparent: str | None = None
    tracestate: str | None = None


Received = TypeVar("Received", ClientMessage, Join)


class Subscription(msgspec.Struct, frozen=True):
    """What a window shows. Equal subscriptions share one window; `scope` is the sources that the principal may see."""

    filter: Filter
    sort: Sort
    limit: int
    fields: tuple[str, ...] | None
    scope: frozenset[str] | None


def subscription(join: Join, scope: frozenset[str] | None) -> Subscription:
    """The subscription that was asked for. Raises `ApiError` that names the member."""
    limit = DEFAULT_LIMIT if join.limit is None else join.limit
    if not 1 <= limit <= MAX_LIMIT:
        raise ApiError.of_field("limit", f"{limit} is not between 1 and {MAX_LIMIT}")
    wanted = (join.filter or Filter()).checked()
    return Subscription(wanted, sort_named(join.sort or DEFAULT_SORT), limit, _fields(join.fields), scope)


def _fields(names: list[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    known = TaskRow.__struct_fields__
    for name in names:
        if name not in known:
            raise ApiError.of_field("fields", f"{name[:100]!r} is no field of a task; there are {', '.join(known)}")
    wanted = {*names, *ALWAYS}
    return tuple(name for name in known if name in wanted)


def read_message(text: str | bytes) -> ClientMessage:
    """Raises `ApiError` for what is no message."""
    return _read(text, ClientMessage)


def read_join(raw: msgspec.Raw) -> Join:
    """Raises `ApiError` that names the member that is wrong."""
    return Join() if bytes(raw) in (b"null", b"") else _read(raw, Join)


def _read(data: str | bytes | msgspec.Raw, kind: type[Received]) -> Received:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise ApiError(400, "invalid-message", str(error), field=_member(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "invalid-message", f"a message is JSON: {error}") from error


def _member(text: str) -> str | None:
    """The member that msgspec's message names: "... unknown field `stat` - at `$.filter`"."""
    path = re.search(r"at `\$\.?([^`]*)`", text)
    unknown = re.search(r"(?:unknown|required) field `([^`]*)`", text)
    parts = [found.group(1) for found in (path, unknown) if found is not None and found.group(1)]
    return re.sub(r"\[\.*\d*\]$", "", ".".join(parts)) or None
