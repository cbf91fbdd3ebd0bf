"""How the api's processes find each other: each announces its URL, and all share a secret by which they know their requests.

`redis_replicas.RedisReplicas` is the production implementation, `testing.MemoryReplicas` its in-memory twin; both pass
`tests/contract/test_replicas.py`.
"""

from typing import Final, Protocol

ANNOUNCED_SECONDS: Final = 15
"""An announcement lives for so long; it is repeated each 5 s."""
SECRET_SECONDS: Final = 8 * 24 * 3600
"""The secret lives for so long after the last announcement."""
SECRET_BYTES: Final = 32


class Replicas(Protocol):
    """The list of the api's running processes."""

    async def announce(self, replica: str, url: str) -> str:
        """Say for `ANNOUNCED_SECONDS` that `replica` is reached at `url`; the secret that all of them share.

        Raises `StoreError`.
        """
        ...

    async def url_of(self, replica: str) -> str | None:
        """What the replica announced, or None when none of that id did lately. Raises `StoreError`."""
        ...

    async def withdraw(self, replica: str) -> None:
        """The replica ends: nobody shall ask it any more. Raises `StoreError`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
