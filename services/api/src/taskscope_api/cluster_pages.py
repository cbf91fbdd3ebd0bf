"""Pages of small lists (workers, queues, sources, kinds): sorted as asked, stable while the list changes under them."""

from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import TypeVar

from taskscope_api import cursors
from taskscope_api.errors import ApiError
from taskscope_api.queries import Parameters, limit_of, single
from taskscope_api.sorting import Place
from taskscope_api.subscriptions import MAX_LIMIT

Item = TypeVar("Item")
OF_A_PAGE = ("cursor", "limit", "sort")
"""Parameters that do not choose what is in a list."""
Order = tuple[int, tuple[int, ...], float, str]


def page_of(
    listed: str, items: Mapping[str, Item], given: Parameters, sorts: Sequence[str]
) -> tuple[list[Item], str | None, int]:
    """The items of the page that `given` asks for, the cursor of the next one, and how many items there are.

    `sorts` are the attributes that may be sorted by, the first by default; one that the items do not have is their key.
    Ties go by key, what is null comes last. A place is a value and a key, so rows that come and go elsewhere move nothing.
    Raises `ApiError`.
    """
    name = _sort_of(given, sorts)
    field, descending = name.removeprefix("-"), name.startswith("-")
    limit, cursor = limit_of(given, MAX_LIMIT), single(given, "cursor")
    of_list = cursors.of_list(listed, {field: given[field] for field in given if field not in OF_A_PAGE})
    behind = None if cursor is None else _order(cursors.place_of(cursor, name, of_list), descending)
    places = ((place := _place(item, key, field), _order(place, descending)) for key, item in items.items())
    found = ((order, place) for place, order in places if behind is None or order > behind)
    shown = nsmallest(limit + 1, found)
    following = cursors.cursor(name, of_list, shown[limit - 1][1]) if len(shown) > limit else None
    return [items[place.key] for _, place in shown[:limit]], following, len(items)


def _sort_of(given: Parameters, sorts: Sequence[str]) -> str:
    name = single(given, "sort") or sorts[0]
    if name.removeprefix("-") not in sorts:
        raise ApiError.of_field(
            "sort", f"{name[:100]!r} cannot be sorted by; use one of {', '.join(sorts)}, with '-' before it for descending"
        )
    return name


def _place(item: object, key: str, field: str) -> Place:
    value = getattr(item, field, key)
    if value is None:
        return Place((1, ""), 0.0, key)
    return Place((0, value), 0.0, key) if isinstance(value, str) else Place((0, ""), float(value), key)


def _order(place: Place, descending: bool) -> Order:  # noqa: FBT001 - which way
    missing, text = place.rank
    if not descending:
        return missing, tuple(map(ord, text)), place.value, place.key
    return missing, (*(-ord(letter) for letter in text), 1), -place.value, place.key
