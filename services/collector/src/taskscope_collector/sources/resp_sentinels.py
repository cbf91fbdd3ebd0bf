"""Where a broker is: the server that its URL names, or the primary that the Sentinels of its URL name."""

from taskscope_shared.redis_servers import primary_of
from taskscope_shared.sentinel_url import is_sentinel_url, parse_sentinel_url

from taskscope_collector.sources.resp_url import RespAddress, parse_resp_url


async def located(url: str) -> RespAddress:
    """The address that `url` leads to now. Raises ValueError, or ConnectionError with what each Sentinel said."""
    if not is_sentinel_url(url):
        return parse_resp_url(url)
    named = parse_sentinel_url(url)
    host, port = await primary_of(named)
    return parse_resp_url(named.of_server(host, port))


def database_of(url: str) -> int:
    """The number of the database. Raises ValueError."""
    return int(parse_sentinel_url(url).database) if is_sentinel_url(url) else parse_resp_url(url).db
