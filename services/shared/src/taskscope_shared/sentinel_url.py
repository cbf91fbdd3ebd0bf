"""`redis+sentinel://` and `rediss+sentinel://`: a Redis that is named by its Sentinels. docs/decisions/0019 says why so.

redis+sentinel://[user:password@]host[:port][,host[:port]...]/MASTER[/DATABASE][?sentinel_password=...]
"""

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec

SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
EXAMPLE = "redis+sentinel://sentinel-0:26379,sentinel-1:26379/mymaster/0"
PORT = 26379
"""Where a Sentinel is that says no port."""

_URL = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?P<path>/[^?#@]*)?(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:\s]+)(?::(\d{1,5}))?")
_OF_SENTINELS = {"sentinel_username": "username", "sentinel_password": "password"}


class SentinelUrlError(ValueError):
    """What is wrong with such a URL, without anything of it that is secret; `hint` has what would be right."""

    def __init__(self, message: str, hint: str = EXAMPLE) -> None:
        super().__init__(message)
        self.hint = hint


class SentinelUrl(msgspec.Struct, frozen=True):
    """Where the Sentinels are, which primary they are asked for, and what goes with a server and with a Sentinel.

    `scheme` is `redis` or `rediss`, `user` what stands before the hosts, `@` included; both queries are encoded.
    """

    scheme: str
    user: str
    addresses: tuple[tuple[str, int], ...]
    master: str
    database: str
    query: str
    sentinel_query: str

    def of_server(self, host: str, port: int) -> str:
        """The URL of the server at an address that a Sentinel named."""
        return f"{self.scheme}://{self.user}{_bracketed(host)}:{port}/{self.database}?{self.query}"

    def of_sentinels(self) -> str:
        """A URL with what goes with each Sentinel: TLS and certificates of the servers, a user and a password of its own."""
        return f"{self.scheme}://?{self.sentinel_query}"


def is_sentinel_url(url: str) -> bool:
    """Whether it names Sentinels, rightly or not."""
    return url.partition("://")[0] in SENTINEL_SCHEMES


def parse_sentinel_url(url: str) -> SentinelUrl:
    """What the URL says. Raises `SentinelUrlError`."""
    found = _URL.fullmatch(url)
    if found is None:
        raise SentinelUrlError("is not a URL: it cannot be read; what is special in a user or password is written as %40")
    master, database = _path(found["path"] or "")
    given = parse_qsl(found["query"] or "", keep_blank_values=True)
    if unknown := [name for name, _ in given if name.startswith("sentinel") and name not in _OF_SENTINELS]:
        raise SentinelUrlError(f"has a parameter that is none: {unknown[0]}", f"known: {', '.join(_OF_SENTINELS)}")
    return SentinelUrl(
        scheme=found["scheme"],
        user=f"{found['user']}@" if found["user"] else "",
        addresses=tuple(_address(each) for each in found["hosts"].split(",")),
        master=master,
        database=database,
        query=urlencode([(name, value) for name, value in given if name not in _OF_SENTINELS], quote_via=quote),
        sentinel_query=urlencode([*_own(given)], quote_via=quote),
    )


def _own(given: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parameters of a Sentinel's connection."""
    return [(_OF_SENTINELS.get(name, name), value) for name, value in given if name in _OF_SENTINELS or name.startswith("ssl_")]


def _path(path: str) -> tuple[str, str]:
    """Master and database."""
    master, _, database = path.strip("/").partition("/")
    if not master or (master.isdigit() and not database):
        raise SentinelUrlError("names no primary: what `sentinel monitor` calls it comes behind the hosts")
    if database and not database.isdigit():
        raise SentinelUrlError("names a database that is not a number")
    return unquote(master), database or "0"


def _address(text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None:
        raise SentinelUrlError("names a Sentinel without a host, or with a port that is no number" if text else "has no host")
    port = int(found[2] or PORT)
    if not 0 < port < 65_536:
        raise SentinelUrlError(f"has port {port}")
    return found[1].strip("[]"), port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
