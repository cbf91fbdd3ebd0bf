"""Names of sites that exist for this process alone: they lead to the ingress controller, as a company's DNS would have it."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

NAMES_SCRIPT = Path(__file__).with_suffix(".mjs")
"""The same for a program of node: `--import` it, with TASKSCOPE_TEST_NAMES, a JSON object of addresses by host."""


@contextmanager
def resolving(addresses: Mapping[str, str]) -> Iterator[None]:
    """Within the context a host of `addresses` is found at that address."""
    resolve = socket.getaddrinfo

    def found(host: Any, *arguments: Any, **named: Any) -> Any:
        return resolve(addresses.get(host, host), *arguments, **named)

    with patch.object(socket, "getaddrinfo", found):
        yield
