"""The stores that have to do the same: Redis, Valkey and the twin in memory."""

from collections.abc import AsyncIterator

import pytest
from support.stores import Backend
from taskscope_shared.store import Store


@pytest.fixture(params=["memory", "valkey_url", "redis_8_url", "valkey_8_url"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    made = Backend(None if request.param == "memory" else str(request.getfixturevalue(request.param)))
    yield made
    for store in made.opened:
        await store.close()


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.store()
