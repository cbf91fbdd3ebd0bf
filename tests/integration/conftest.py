"""What the integration tests share."""

from collections.abc import Iterator

import pytest
from support.rq_site import RqSite


@pytest.fixture
def site(valkey_url: str) -> Iterator[RqSite]:
    """RQ on a server of the test's own."""
    with RqSite(valkey_url) as made:
        yield made
