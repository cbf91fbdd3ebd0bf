"""Which tasks somebody wants to see."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from taskscope_shared.model import GROUP_OF, Engine, Group, State

from taskscope_api.errors import ApiError
from taskscope_api.sorting import CohortKey

MAX_VALUES = 100
"""Values of one field of a filter."""
MAX_LENGTH = 512
"""Characters of one value."""
MAX_VERDICTS = 10_000
"""Cohorts whose verdict a matcher remembers."""
CHOICES: dict[str, tuple[str, ...]] = {
    "state": tuple(State),
    "group": tuple(Group),
    "engine": tuple(Engine),
}


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a task must have: one of the values of each field that has any. `name` may hold `*`, which stands for any text."""

    state: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    engine: tuple[str, ...] = ()

    def checked(self) -> "Filter":
        """The same filter in one canonical form. Raises `ApiError` that names the field and what it may hold."""
        return Filter(**{field: _checked(field, getattr(self, field)) for field in FIELDS})


FIELDS = Filter.__struct_fields__


def filter_of(parameters: Mapping[str, Sequence[str]]) -> Filter:
    """The filter of a query string: each parameter may repeat or hold several values between commas."""
    values = {field: tuple(_split(parameters.get(field, ()))) for field in FIELDS}
    return Filter(**values).checked()


def _split(values: Iterable[str]) -> Iterable[str]:
    return (part.strip() for value in values for part in value.split(",") if part.strip())


def _checked(field: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if len(values) > MAX_VALUES:
        raise ApiError.of_field(field, f"{len(values)} values are too many; at most {MAX_VALUES}")
    choices = CHOICES.get(field)
    for value in values:
        if len(value) > MAX_LENGTH:
            raise ApiError.of_field(field, f"a value of {len(value)} characters is too long; at most {MAX_LENGTH}")
        if choices is not None and value not in choices:
            raise ApiError.of_field(field, f"{value!r} is not one of {', '.join(choices)}")
    return tuple(sorted(set(values)))


class Matcher:
    """A filter made ready: whether it lets a cohort in, which workers, and which sources."""

    def __init__(self, wanted: Filter, scope: frozenset[str] | None) -> None:
        self.workers = frozenset(wanted.worker)
        self._sources = frozenset(wanted.source)
        self._scope = scope
        self._kinds = frozenset(wanted.kind)
        self._queues = frozenset(wanted.queue)
        self._engines = frozenset(wanted.engine)
        self._names = _Names(wanted.name) if wanted.name else None
        self._states = _states(wanted)
        self._verdicts: dict[CohortKey, bool] = {}

    def source(self, name: str) -> bool:
        """Whether the source is wanted and within the scope."""
        return (not self._sources or name in self._sources) and (self._scope is None or name in self._scope)

    def kind(self, name: str) -> bool:
        """Whether tasks of this kind are wanted."""
        return not self._kinds or name in self._kinds

    @property
    def any_kind(self) -> bool:
        """Whether no kind was asked for."""
        return not self._kinds

    def cohort(self, key: CohortKey) -> bool:
        """Whether tasks of the cohort are wanted, as far as the cohort tells."""
        verdict = self._verdicts.get(key)
        if verdict is None:
            if len(self._verdicts) >= MAX_VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[key] = self._judge(key)
        return verdict

    def _judge(self, key: CohortKey) -> bool:
        return (
            key.state in self._states
            and self.kind(key.kind)
            and (not self._queues or key.queue in self._queues)
            and (not self._engines or key.engine in self._engines)
            and (self._names is None or (key.name is not None and self._names.match(key.name)))
        )


def _states(wanted: Filter) -> frozenset[State]:
    return frozenset(
        state
        for state, group in GROUP_OF.items()
        if (not wanted.state or state in wanted.state) and (not wanted.group or group in wanted.group)
    )


class _Names:
    """Names, each exact or with `*` for any text. Linear in the name's length, whatever the pattern (no backtracking)."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._exact = frozenset(name for name in names if "*" not in name)
        self._patterns = [name.split("*") for name in names if "*" in name]

    def match(self, name: str) -> bool:
        return name in self._exact or any(_like(parts, name) for parts in self._patterns)


def _like(parts: list[str], name: str) -> bool:
    first, *middle, last = parts
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
