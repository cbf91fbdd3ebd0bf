"""Addresses of Redis-like servers, as Celery and RQ write them."""

import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from taskscope_shared.sentinel_url import SENTINEL_SCHEMES

TCP_SCHEMES = frozenset({"redis", "valkey"})
TLS_SCHEMES = frozenset({"rediss", "valkeys"})
UNIX_SCHEMES = frozenset({"unix", "redis+socket", "redis+unix", "valkey+unix"})
SERVER_SCHEMES = TCP_SCHEMES | TLS_SCHEMES | UNIX_SCHEMES
SCHEMES = SERVER_SCHEMES | set(SENTINEL_SCHEMES)


@dataclass(frozen=True)
class RespAddress:
    """Where a server is and how to introduce oneself. `path` is set for a unix socket, then `host` and `port` say nothing."""

    host: str
    port: int
    db: int
    path: str | None
    username: str | None
    password: str | None
    tls: bool
    options: dict[str, str] = field(default_factory=dict)

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS needs, from the query's `ssl_*` options; None without TLS.

        Raises OSError when a named certificate cannot be read.
        """
        return _ssl_context(self.options) if self.tls else None

    def __str__(self) -> str:
        """The address without its secrets, for messages."""
        return f"{self.path} db {self.db}" if self.path else f"{self.host}:{self.port} db {self.db}"


def parse_resp_url(url: str) -> RespAddress:
    """Read `redis://[[user]:password@]host[:port][/db]`, `rediss://` or `unix://[user:password@]/path[?db=N]`.

    User and password are percent-decoded; `virtual_host` is kombu's word for the database of a unix socket.
    Raises ValueError, never with the password in its message.
    """
    parts = urlsplit(url)
    if parts.scheme not in SERVER_SCHEMES:
        raise ValueError(
            f"not an address of a Redis server: {parts.scheme or 'no'} scheme; known are {', '.join(sorted(SERVER_SCHEMES))}"
        )
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unix = parts.scheme in UNIX_SCHEMES
    return RespAddress(
        host="" if unix else parts.hostname or "localhost",
        port=0 if unix else _port(parts.netloc),
        db=_db("" if unix else parts.path, options),
        path=unquote(parts.path) if unix else None,
        username=unquote(parts.username) if parts.username else options.get("username"),
        password=unquote(parts.password) if parts.password else options.get("password"),
        tls=parts.scheme in TLS_SCHEMES,
        options=options,
    )


def _port(netloc: str) -> int:
    try:
        return urlsplit(f"//{netloc}").port or 6379
    except ValueError:
        raise ValueError("the port of the Redis address is not a number from 1 to 65535") from None


def _db(path: str, options: dict[str, str]) -> int:
    text = path.strip("/") or options.get("db") or options.get("virtual_host", "").strip("/") or "0"
    if not text.isdecimal():
        raise ValueError("the database of the Redis address is not a number such as 0")
    return int(text)


def _ssl_context(options: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    requirement = options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if requirement in {"none", "optional"}:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE if requirement == "none" else ssl.CERT_OPTIONAL
    if options.get("ssl_check_hostname", "").lower() in {"false", "0"}:
        context.check_hostname = False
    if "ssl_certfile" in options:
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context
