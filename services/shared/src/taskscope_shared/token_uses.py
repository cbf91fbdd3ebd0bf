"""When tokens were used last: the one thing about tokens that is in Redis. Who has which rights is in the file alone."""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from taskscope_shared import settings
from taskscope_shared.keys import TOKEN_USES_SECONDS, Keys
from taskscope_shared.redis_link import Command, RedisLink


class TokenUses(Protocol):
    """Where last uses are kept."""

    async def write(self, uses: Mapping[str, float], tokens: Collection[str]) -> None:
        """Keep when these ids were used (epoch seconds); others than `tokens` are forgotten. Raises `StoreError`."""
        ...

    async def read(self) -> Mapping[str, float]:
        """Token id -> epoch seconds. Raises `StoreError`."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class RedisTokenUses:
    """`TokenUses` on the server at `url`."""

    def __init__(self, url: Callable[[], str], prefix: str = "taskscope") -> None:
        self._link = RedisLink(url)
        self._key = Keys(prefix).token_uses

    @classmethod
    def from_settings(cls, configured: settings.Settings) -> "RedisTokenUses":
        """As the installation is configured."""
        return cls(lambda: settings.resolve_url(configured.redis.url), configured.redis.prefix)

    async def write(self, uses: Mapping[str, float], tokens: Collection[str]) -> None:
        """See `TokenUses`."""
        fields = [field for id_, at in uses.items() for field in (id_, f"{at:.0f}")]
        known, *_ = await self._link.call(("HKEYS", self._key))
        gone = [id_ for id_ in known if id_.decode() not in tokens]
        commands: list[Command] = [("HSET", self._key, *fields), ("EXPIRE", self._key, TOKEN_USES_SECONDS)]
        if gone:
            commands.append(("HDEL", self._key, *gone))
        await self._link.call(*commands)

    async def read(self) -> Mapping[str, float]:
        """See `TokenUses`."""
        (found,) = await self._link.call(("HGETALL", self._key))
        return {id_.decode(): float(at) for id_, at in zip(found[::2], found[1::2], strict=True)}

    async def close(self) -> None:
        """See `TokenUses`."""
        await self._link.drop()
