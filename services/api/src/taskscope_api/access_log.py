"""One record for each request that was answered."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from taskscope_api.addresses import Addresses
from taskscope_api.asked import Asked

logger = logging.getLogger("taskscope_api.access")

PROBES = frozenset({"/livez", "/readyz"})
"""Asked every few seconds by every kubelet: at `debug` only."""
POLLED = frozenset({"/socket.io/", "/socket.io"})
"""Asked several times a second by each client that polls: at `debug` only, while nothing is wrong."""
MAX_PATH = 256
CLIENT_LEFT = 499
"""Nobody waited for the answer; not in RFC 9110, but what proxies write."""


def record(asked: Asked, scope: Mapping[str, Any], status: int, sent_bytes: int, seconds: float, addresses: Addresses) -> None:
    """Log a request with what it cost. Of its query nothing is said: it may hold what is secret."""
    path = scope["path"]
    level = _level(path.removeprefix(scope.get("root_path") or ""), scope["type"], status)
    if not logger.isEnabledFor(level):
        return
    method = scope.get("method", "WEBSOCKET")
    shown = (scope.get("raw_path") or path.encode())[:MAX_PATH].decode("ascii", "replace")
    logger.log(
        level,
        "%s %s %d",
        method,
        asked.route or shown,
        status,
        extra={
            "method": method,
            "route": asked.route,
            "path": shown,
            "status": status,
            "milliseconds": round(seconds * 1000, 3),
            "bytes": sent_bytes,
            "request_id": asked.id,
            "principal": asked.principal,
            "client": addresses.client(scope) or None,
        },
    )


def _level(path: str, kind: str, status: int) -> int:
    if path in PROBES or (path in POLLED and kind == "http" and status < HTTPStatus.BAD_REQUEST):
        return logging.DEBUG
    return logging.ERROR if status == HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
