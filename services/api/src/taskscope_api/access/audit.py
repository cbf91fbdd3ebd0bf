"""The audit log (logger `taskscope_api.audit`): who was let in, who signed in and out, and who was refused, and why.

Never a secret. A flood of one kind fills no disk: of each kind so many a minute are written, and how many were left out.
"""

import asyncio
import logging
from collections import OrderedDict

import msgspec
from taskscope_shared.clock import Clock

from taskscope_api.addresses import Addresses
from taskscope_api.asked import SCOPE_KEY, Scope
from taskscope_api.principals import Principal

logger = logging.getLogger("taskscope_api.audit")

A_MINUTE = 60
"""Records of a kind in a minute."""
MINUTE_SECONDS = 60.0
MAX_KINDS = 100
MAX_PATH = 256
SEEN_SECONDS = 3600.0
"""Somebody who comes with each request is written down once in this time."""
MAX_SEEN = 10_000


class _Kind(msgspec.Struct):
    began: float
    written: int = 0
    left_out: int = 0


class Audit:
    """Writes what concerns identity."""

    def __init__(self, clock: Clock, addresses: Addresses) -> None:
        self._clock = clock
        self._addresses = addresses
        self._kinds: dict[str, _Kind] = {}
        self._seen: OrderedDict[str, float] = OrderedDict()
        self.left_out = 0

    def refused(
        self,
        kind: str,
        scope: Scope,
        mode: str | None = None,
        principal: Principal | None = None,
        credential: str | None = None,
    ) -> None:
        """Somebody did not get what they wanted; `credential` is the id of what they said who they were by."""
        self._write(logging.WARNING, "refused", kind, scope, mode, principal, credential)

    def signed(self, kind: str, scope: Scope, mode: str | None, principal: Principal | None) -> None:
        """`signed-in` and `signed-out`."""
        self._write(logging.INFO, kind, kind, scope, mode, principal)

    def admitted(self, scope: Scope, mode: str, principal: Principal) -> None:
        """Somebody was let in: written once in a while for each credential."""
        key, now = principal.credential or principal.name, self._clock.monotonic()
        seen = self._seen.get(key)
        if seen is not None and now - seen < SEEN_SECONDS:
            return
        self._seen[key] = now
        self._seen.move_to_end(key)
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        self._write(logging.INFO, "admitted", "admitted", scope, mode, principal)

    def _write(
        self,
        level: int,
        event: str,
        kind: str,
        scope: Scope,
        mode: str | None,
        principal: Principal | None,
        credential: str | None = None,
    ) -> None:
        counted = self._kind(kind)
        if counted.written >= A_MINUTE:
            counted.left_out += 1
            self.left_out += 1
            return
        counted.written += 1
        asked = scope.get(SCOPE_KEY)
        logger.log(
            level,
            "%s: %s",
            event,
            kind,
            extra={
                "event": event,
                "kind": kind,
                "mode": mode,
                "principal": None if principal is None else principal.name,
                "credential": credential if principal is None else principal.credential,
                "role": None if principal is None else str(principal.role),
                "client": self._addresses.client(scope),
                "method": scope.get("method", "WEBSOCKET"),
                "path": (scope.get("raw_path") or b"")[:MAX_PATH].decode("ascii", "replace"),
                "request_id": None if asked is None else asked.id,
            },
        )

    def _kind(self, name: str) -> _Kind:
        now = self._clock.monotonic()
        found = self._kinds.get(name)
        if found is None:
            if len(self._kinds) >= MAX_KINDS:
                return self._kind("other") if "other" in self._kinds else self._kinds.setdefault("other", _Kind(now))
            return self._kinds.setdefault(name, _Kind(now))
        if now - found.began >= MINUTE_SECONDS:
            self._say_left_out(name, found)
            found.began, found.written, found.left_out = now, 0, 0
        return found

    def _say_left_out(self, name: str, kind: _Kind) -> None:
        if kind.left_out:
            extra = {"event": "left-out", "kind": name, "left_out": kind.left_out}
            logger.warning("left out: %d more records of %s", kind.left_out, name, extra=extra)

    async def run(self) -> None:
        """Say what was left out, also when nothing follows."""
        while True:
            await asyncio.sleep(MINUTE_SECONDS)
            for name in list(self._kinds):
                self._kind(name)
