"""What clients may say over a push transport, and the role that it takes: one list for all transports."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from taskscope_api.errors import ApiError
from taskscope_api.principals import Principal, Role

EVENTS: Mapping[str, Role] = MappingProxyType(
    {
        "join_task_monitoring": Role.VIEWER,
        "request_task_updates": Role.VIEWER,
        "leave_task_monitoring": Role.VIEWER,
    }
)
"""Event -> role. A subscription is what a join asks for, and takes the join's."""


def permit(event: str, asking: Principal) -> None:
    """Let an event pass. Raises `ApiError`: 400 for one that is not known, 403 for too little right."""
    role = EVENTS.get(event)
    if role is None:
        raise ApiError.of_field("event", f"{event[:100]!r} is no event; there are {', '.join(EVENTS)}", "unknown-event")
    if not asking.may(role):
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", f"{event} takes the role {role}; {asking.name} has {asking.role}")
