"""Taskscope's own Redis by TLS, with the certificate of a company's own CA: named by its URL, and by its Sentinels."""

import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from support.cluster import certificates
from support.servers import Container, free_port
from support.waiting import wait_for
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.store import StoreError

IMAGE = "valkey/valkey:8"
INSIDE = "/certificates"


class Site(NamedTuple):
    """Ports of a server and of its Sentinel, which speak TLS alone, and the CA that vouches for them."""

    server: int
    sentinel: int
    ca: Path


def tls(port: int) -> str:
    files = f"tls-cert-file {INSIDE}/server.crt\ntls-key-file {INSIDE}/server.key\ntls-ca-cert-file {INSIDE}/ca.crt"
    return f"port 0\ntls-port {port}\n{files}\ntls-auth-clients no\ntls-replication yes\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, made = tmp_path_factory.mktemp("certificates"), Site(free_port(), free_port(), Path())
    made = made._replace(ca=folder / "ca.crt")
    for found, name in zip(certificates(folder, made.ca), ("server.crt", "server.key"), strict=True):
        found.rename(folder / name)
    (folder / "server.conf").write_text(tls(made.server) + 'save ""\n')
    (folder / "sentinel.conf").write_text(tls(made.sentinel) + f"sentinel monitor films 127.0.0.1 {made.server} 1\n")
    folder.chmod(0o755)
    for each in folder.iterdir():
        each.chmod(0o644)
    servers = "valkey-server /tmp/server.conf --dir /tmp & exec valkey-server /tmp/sentinel.conf --sentinel"
    script = f"cp {INSIDE}/*.conf /tmp; {servers}"
    options = ("--network", "host", "--user", "65534", "-v", f"{folder}:{INSIDE}:ro", "--entrypoint", "sh")
    with Container(IMAGE, options=options, command=("-c", script)):
        for port in (made.server, made.sentinel):
            wait_for(partial(_greets, port, made.ca), seconds=60, what="TLS to be spoken")
        yield made


def _greets(port: int, ca: Path) -> bool:
    try:
        return bool(ssl.get_server_certificate(("127.0.0.1", port), ca_certs=str(ca), timeout=2))
    except OSError:
        return False


async def answer(url: str) -> object:
    link = RedisLink(lambda: url)
    try:
        return (await link.call(("PING",)))[0]
    except StoreError as error:
        return str(error)
    finally:
        await link.drop()


async def test_a_ca_of_ones_own_is_named_by_the_url(site: Site) -> None:
    url = f"rediss://127.0.0.1:{site.server}/0"
    assert await answer(f"{url}?ssl_ca_certs={site.ca}") == b"PONG"
    assert "certificate verify failed" in str(await answer(url))
    assert "No such file" in str(await answer(f"{url}?ssl_ca_certs=/nowhere/ca.crt"))


async def test_servers_and_sentinels_speak_tls_by_the_same_ca(site: Site) -> None:
    url = f"rediss+sentinel://127.0.0.1:{site.sentinel}/films/0"
    assert await answer(f"{url}?ssl_ca_certs={site.ca}") == b"PONG"
    assert "certificate verify failed" in str(await answer(url))


async def test_a_server_of_tls_is_not_asked_in_the_clear(site: Site) -> None:
    assert "cannot be reached" in str(await answer(f"redis://127.0.0.1:{site.server}/0"))
