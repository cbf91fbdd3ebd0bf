"""The other replicas of the api: where they are, and which requests come from them."""

import asyncio
import hmac
import logging
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from taskscope_shared.clock import Clock
from taskscope_shared.replicas import Replicas
from taskscope_shared.store import StoreError, WritesRefusedError

logger = logging.getLogger(__name__)

ANNOUNCE_SECONDS = 5.0
KNOWN_SECONDS = 2.0
"""What was looked up is good for so long: a replica that ended is asked for no longer."""
MAX_KNOWN = 256
HEADER = b"x-taskscope-forwarded"
"""`<address of the client> <signature>`: made by replicas alone. Nothing that has it is passed on once more."""
_ID = re.compile(r"[0-9a-f]{16}")


class Neighbours:
    """Announces this replica, finds others, and signs what it passes on to them.

    Without `replicas` or `url` it is alone. Nothing is asked but what replicas announced in our own Redis. An announcement is
    what the api writes all the time: `note_refusal` is told whether Redis takes it, and why it does not.
    """

    def __init__(
        self,
        replicas: Replicas | None,
        url: str | None,
        clock: Clock,
        note_refusal: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self.id = secrets.token_hex(8)
        self._replicas = replicas
        self._url = url
        self._clock = clock
        self._note_refusal = note_refusal
        self._secrets: deque[bytes] = deque(maxlen=2)  # the one before, too: Redis may have come back empty
        self._known: OrderedDict[str, tuple[str | None, float]] = OrderedDict()
        self._is_lost = False

    async def run(self) -> None:
        """Announce until cancelled, and withdraw."""
        if self._replicas is None or self._url is None:
            return
        try:
            while True:
                await self._announce(self._replicas, self._url)
                await asyncio.sleep(ANNOUNCE_SECONDS)
        finally:
            try:
                await self._replicas.withdraw(self.id)
            except StoreError:
                logger.debug("not withdrawn: the announcement expires by itself")

    async def _announce(self, replicas: Replicas, url: str) -> None:
        try:
            secret = (await replicas.announce(self.id, url)).encode()
        except StoreError as error:
            if not self._is_lost:
                logger.warning("other replicas cannot pass requests on to this one: %s", error)
            self._is_lost = True
            if isinstance(error, WritesRefusedError):
                self._note_refusal(str(error))
            return
        self._is_lost = False
        self._note_refusal(None)
        if secret not in self._secrets:
            self._secrets.appendleft(secret)

    def owner_of(self, session: str) -> str | None:
        """The other replica that a session's id names; None when it names this one, or none."""
        replica = session.partition(".")[0]
        return replica if replica != self.id and _ID.fullmatch(replica) else None

    async def url_of(self, replica: str) -> str | None:
        """Where it is; None when it is not there any more, or cannot be looked up."""
        if self._replicas is None or not self._secrets:
            return None
        now = self._clock.monotonic()
        url, at = self._known.get(replica, (None, -KNOWN_SECONDS))
        if now - at < KNOWN_SECONDS:
            return url
        try:
            url = await self._replicas.url_of(replica)
        except StoreError:
            return url  # as last known
        self._known.pop(replica, None)
        self._known[replica] = (url, now)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return url

    def forget(self, replica: str) -> None:
        """It did not answer: look it up anew."""
        self._known.pop(replica, None)

    # ---------------------------------------------------------------------------------------------------------- signing

    def signed(self, scope: Mapping[str, Any]) -> bytes:
        """The header's value for a request that is passed on."""
        address = str((scope.get("client") or ("unknown",))[0])
        return address.encode() + b" " + _signature(self._secrets[0], address, scope)

    def came_from(self, scope: MutableMapping[str, Any]) -> bool | None:
        """True when a replica passed this request on: its client is then the one that the replica had. None: nobody says so;
        False: somebody does who is none.
        """
        value = next((value for name, value in scope["headers"] if name == HEADER), None)
        if value is None:
            return None
        said, _, signature = value.partition(b" ")
        address = said.decode("latin-1")
        if not any(hmac.compare_digest(_signature(secret, address, scope), signature) for secret in self._secrets):
            return False
        scope["client"] = (address, 0)
        return True


def _signature(secret: bytes, address: str, scope: Mapping[str, Any]) -> bytes:
    """Over what is asked: the query names the session, which is as secret as a cookie."""
    text = b"\0".join([address.encode(), scope["type"].encode(), scope.get("method", "").encode(), scope["query_string"]])
    return hmac.new(secret, text, "sha256").hexdigest().encode()
