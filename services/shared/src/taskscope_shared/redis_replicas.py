"""The api's processes as keys in Redis, one each, that expire unless they are refreshed."""

import secrets
from collections.abc import Callable

from taskscope_shared import settings
from taskscope_shared.keys import Keys
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.replicas import ANNOUNCED_SECONDS, SECRET_BYTES, SECRET_SECONDS
from taskscope_shared.store import StoreError


class RedisReplicas:
    """`replicas.Replicas` on the server at `url`."""

    def __init__(self, url: str | Callable[[], str], *, prefix: str = "taskscope", timeout_seconds: float = 2.0) -> None:
        self._keys = Keys(prefix)
        self._link = RedisLink((lambda: url) if isinstance(url, str) else url, timeout_seconds)

    @classmethod
    def from_settings(cls, configured: settings.Settings) -> "RedisReplicas":
        """As the installation is configured."""
        return cls(lambda: settings.resolve_url(configured.redis.url), prefix=configured.redis.prefix)

    async def announce(self, replica: str, url: str) -> str:
        """See `replicas.Replicas`. Whoever comes first makes the secret."""
        secret = self._keys.replicas_secret
        replies = await self._link.call(
            ("SET", self._keys.replica(replica), url, "EX", ANNOUNCED_SECONDS),
            ("SET", secret, secrets.token_hex(SECRET_BYTES), "NX", "EX", SECRET_SECONDS),
            ("EXPIRE", secret, SECRET_SECONDS),
            ("GET", secret),
        )
        if replies[-1] is None:
            raise StoreError("the store dropped what it was just given: it is full")
        return str(replies[-1].decode())

    async def url_of(self, replica: str) -> str | None:
        """See `replicas.Replicas`."""
        found = (await self._link.call(("GET", self._keys.replica(replica))))[0]
        return None if found is None else str(found.decode())

    async def withdraw(self, replica: str) -> None:
        """See `replicas.Replicas`."""
        await self._link.call(("DEL", self._keys.replica(replica)))

    async def close(self) -> None:
        """See `replicas.Replicas`."""
        await self._link.drop()
