"""Which tasks somebody wants to see."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from math import isfinite
from operator import and_
from typing import Any

import msgspec
import numpy as np
from taskscope_shared.model import GROUP_OF, Engine, Group, State

from taskscope_api.columns import Codes, Columns, Mask, Rows, hash_of
from taskscope_api.errors import ApiError
from taskscope_api.replica import Replica
from taskscope_api.wildcards import Wildcards

MAX_VALUES = 100
"""Values of one field of a filter."""
MAX_LENGTH = 512
"""Characters of one value."""
MAX_TEXT = 200
"""Characters of `q`."""
MAX_WORDS = 8
"""Words of `q`."""
CHOICES: dict[str, tuple[str, ...]] = {
    "state": tuple(State),
    "group": tuple(Group),
    "engine": tuple(Engine),
}
WILD = ("kind", "name", "queue", "worker", "exception_type")
"""Fields whose values may hold `*`."""
HASHED = {"root": "root_id", "parent": "parent_id", "group_id": "group_id"}
TIMES = ("sent", "received", "started", "finished", "eta", "expires", "updated")
SHOWN_SECONDS = 0.001
"""What times are shown to, and therefore compared to: the time that an item shows is the same time in a filter."""
EXAMPLE = "2026-01-31T12:00:00Z or 1769860800"

Time = float | str | None
"""Epoch seconds, or RFC 3339 that `checked` makes epoch seconds of."""


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a task must have: one of the values of each field that has any, and whatever else is said.

    What is in `WILD` may hold `*`, which stands for any text; `key` names tasks as `source/id`. `q` holds words that must all
    occur, whatever the case, in id, name, args, exception or worker. A time lies at or after `.._from` and before `.._to`; a
    runtime (seconds) between `runtime_min` and `runtime_max`, each included, and the wait of one that began likewise.
    """

    state: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    engine: tuple[str, ...] = ()
    exception_type: tuple[str, ...] = ()
    root: tuple[str, ...] = ()
    parent: tuple[str, ...] = ()
    group_id: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    q: str | None = None
    sent_from: Time = None
    sent_to: Time = None
    received_from: Time = None
    received_to: Time = None
    started_from: Time = None
    started_to: Time = None
    finished_from: Time = None
    finished_to: Time = None
    eta_from: Time = None
    eta_to: Time = None
    expires_from: Time = None
    expires_to: Time = None
    updated_from: Time = None
    updated_to: Time = None
    runtime_min: float | str | None = None
    runtime_max: float | str | None = None
    wait_min: float | str | None = None
    wait_max: float | str | None = None

    def checked(self) -> "Filter":
        """The same filter in one canonical form. Raises `ApiError` that names the field and what it may hold."""
        many: dict[str, Any] = {field: _checked(field, getattr(self, field)) for field in MANY}
        times: dict[str, Any] = {field: _time(field, getattr(self, field)) for field in BOUNDS}
        seconds: dict[str, Any] = {field: _seconds(field, getattr(self, field)) for field in DURATIONS}
        return Filter(**many, **times, **seconds, q=_text(self.q))


BOUNDS = tuple(f"{time}_{end}" for time in TIMES for end in ("from", "to"))
DURATIONS = ("runtime_min", "runtime_max", "wait_min", "wait_max")
SINGLE = ("q", *BOUNDS, *DURATIONS)
MANY = tuple(field for field in Filter.__struct_fields__ if field not in SINGLE)


def filter_of(parameters: Mapping[str, Sequence[str]]) -> Filter:
    """The filter of a query string: each of `MANY` may repeat or hold several values between commas. Raises `ApiError`."""
    many: dict[str, Any] = {field: tuple(_split(parameters.get(field, ()))) for field in MANY}
    single: dict[str, Any] = {field: _once(field, parameters.get(field, ())) for field in SINGLE}
    return Filter(**many, **single).checked()


def _split(values: Iterable[str]) -> Iterable[str]:
    return (part.strip() for value in values for part in value.split(",") if part.strip())


def _once(field: str, values: Sequence[str]) -> str | None:
    if len(values) > 1:
        raise ApiError.of_field(field, f"{field} may be given once")
    return values[0] if values and values[0] else None


def _checked(field: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if len(values) > MAX_VALUES:
        raise ApiError.of_field(field, f"{len(values)} values are too many; at most {MAX_VALUES}")
    choices = CHOICES.get(field)
    for value in values:
        if len(value) > MAX_LENGTH:
            raise ApiError.of_field(field, f"a value of {len(value)} characters is too long; at most {MAX_LENGTH}")
        if choices is not None and value not in choices:
            raise ApiError.of_field(field, f"{value!r} is not one of {', '.join(choices)}")
        if field == "key" and "/" not in value:
            raise ApiError.of_field(field, f"{value[:40]!r} is no key of a task; one is source/id")
    return tuple(sorted(set(values)))


def _text(text: str | None) -> str | None:
    if text is None:
        return None
    if len(text) > MAX_TEXT:
        raise ApiError.of_field("q", f"a text of {len(text)} characters is too long; at most {MAX_TEXT}")
    words = set(text.lower().split())
    if len(words) > MAX_WORDS:
        raise ApiError.of_field("q", f"{len(words)} words are too many; at most {MAX_WORDS}")
    return " ".join(sorted(words)) or None


def _time(field: str, value: Time) -> float | None:
    if value is None or isinstance(value, int | float):
        return _number(field, value, EXAMPLE)
    try:
        return _number(field, float(value), EXAMPLE)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise ApiError.of_field(field, f"{value[:40]!r} is no time; one is {EXAMPLE}") from error


def _seconds(field: str, value: float | str | None) -> float | None:
    try:
        found = _number(field, None if value is None else float(value), "2.5")
    except ValueError as error:
        raise ApiError.of_field(field, f"{str(value)[:40]!r} is no number of seconds; one is 2.5") from error
    if found is not None and found < 0:
        raise ApiError.of_field(field, f"{found:g} is below zero; a duration is 0 or more seconds")
    return found


def _number(field: str, value: float | None, example: str) -> float | None:
    if value is not None and not isfinite(value):
        raise ApiError.of_field(field, f"{value} is not finite; one is {example}")
    return None if value is None else float(value)


class Matcher:
    """A filter made ready (it was `checked`): which sources, and which rows of a replica."""

    def __init__(self, wanted: Filter, scope: frozenset[str] | None) -> None:
        self.words = [word.encode() for word in (wanted.q or "").split()]
        self._wanted = wanted
        self._sources = frozenset(wanted.source)
        self._scope = scope
        asked = {field: getattr(wanted, field) for field in WILD}
        self._wild = {field: Wildcards(values) for field, values in asked.items() if any("*" in value for value in values)}
        bounds = ((field, getattr(wanted, field)) for field in (*BOUNDS, *DURATIONS))
        self._bounds = [(field, _column(field), float(bound)) for field, bound in bounds if bound is not None]
        self._groups = [state for state, group in GROUP_OF.items() if group in wanted.group]

    def scoped(self, name: str) -> bool:
        """Whether the source is within the scope, wanted or not."""
        return self._scope is None or name in self._scope

    def source(self, name: str) -> bool:
        """Whether the source is wanted and within the scope."""
        return self.scoped(name) and (not self._sources or name in self._sources)

    def kind(self, name: str) -> bool:
        """Whether tasks of this kind are wanted."""
        return self.any_kind or (self._wild["kind"].match(name) if "kind" in self._wild else name in self._wanted.kind)

    @property
    def any_kind(self) -> bool:
        """Whether no kind was asked for."""
        return not self._wanted.kind

    def rows(self, replica: Replica) -> Rows:
        """The rows of the tasks that match, but for the source."""
        return np.flatnonzero(self.with_words(replica, self._without_words(replica, frozenset())))

    def _without_words(self, replica: Replica, leaving_out: frozenset[str]) -> Mask:
        masks = (mask for field, mask in self.masks(replica) if field not in leaving_out)
        return reduce(and_, masks, replica.columns.living)

    def masks(self, replica: Replica) -> Iterator[tuple[str, Mask]]:
        """Field -> rows that match in it, for each field that is asked for but `source` and `q`."""
        columns, size = replica.columns, replica.columns.size
        for field in ("state", "kind", "name", "queue", "worker", "engine", "exception_type"):
            if (wild := self._wild.get(field)) is not None:
                yield field, columns.codes[field].where(wild.match, size)
            elif values := getattr(self._wanted, field):
                yield field, columns.codes[field].among(values, size)
        if self._groups:
            yield "group", columns.codes["state"].among(self._groups, size)
        for field, column in HASHED.items():
            if values := getattr(self._wanted, field):
                yield field, np.isin(columns.hashes[column][:size], [hash_of(value) for value in values])
        if self._wanted.key:
            yield "key", columns.mask(replica.rows_of(self._ids(replica.source)))
        yield from self._ranges(columns)

    def _ids(self, source: str) -> Iterator[str]:
        """Of the keys asked for, the ids of this source."""
        return (key[len(source) + 1 :] for key in self._wanted.key if key.startswith(f"{source}/"))

    def _ranges(self, columns: Columns) -> Iterator[tuple[str, Mask]]:
        for field, column, bound in self._bounds:
            numbers = columns.numbers[column][: columns.size]
            if field.endswith("_max"):
                yield field, numbers <= bound
            elif field.endswith("_min"):
                yield field, numbers >= bound
            elif field.endswith("_to"):
                yield field, numbers < bound - SHOWN_SECONDS / 2
            else:
                yield field, numbers >= bound - SHOWN_SECONDS / 2

    # ------------------------------------------------------------------------------------------------------------ text

    def with_words(self, replica: Replica, found: Mask) -> Mask:
        """Of these rows, those that hold all words."""
        for word in self.words:
            named = found & self._named(replica.columns, word)
            left = np.flatnonzero(found & ~named)
            found = named | replica.columns.mask(replica.texts.having(word, left, replica.columns.capacity))
        return found

    def judge(self, replica: Replica, leaving_out: frozenset[str] = frozenset()) -> Iterator[None]:
        """Look at the texts that `rows` would have to look at, yielding now and then; `leaving_out` fields of the filter."""
        columns = replica.columns
        for word in self.words:
            found = self._without_words(replica, leaving_out)
            left = np.flatnonzero(found & ~self._named(columns, word))
            yield from replica.texts.judge(word, left, columns.capacity)

    def _named(self, columns: Columns, word: bytes) -> Mask:
        """Rows whose name or worker holds the word."""
        text = word.decode()
        names, workers = columns.codes["name"], columns.codes["worker"]
        return _holding(names, text, columns.size) | _holding(workers, text, columns.size)


def _column(bound: str) -> str:
    name = bound.rpartition("_")[0]
    return f"{name}_seconds" if bound in DURATIONS else f"{name}_at"


def _holding(codes: Codes, word: str, size: int) -> Mask:
    return codes.where(lambda value: word in value.lower(), size)
