import pytest
from taskscope_collector.sources.resp_url import parse_resp_url


def test_user_and_password_are_percent_decoded() -> None:
    address = parse_resp_url("redis://us%40er:p%3Ass%2Fw@example.test:6380/3")
    assert (address.username, address.password) == ("us@er", "p:ss/w")
    assert (address.host, address.port, address.db, address.tls) == ("example.test", 6380, 3, False)


def test_a_password_alone_has_no_user() -> None:
    address = parse_resp_url("redis://:secret@host")
    assert (address.username, address.password, address.port, address.db) == (None, "secret", 6379, 0)


def test_a_unix_socket_has_its_database_in_the_query() -> None:
    assert parse_resp_url("unix:///run/redis.sock?db=2").db == 2
    address = parse_resp_url("redis+socket:///run/redis.sock?virtual_host=5")
    assert (address.path, address.db) == ("/run/redis.sock", 5)


def test_an_ipv6_host_is_understood() -> None:
    address = parse_resp_url("rediss://[::1]:7000/1?ssl_cert_reqs=CERT_NONE")
    assert (address.host, address.port, address.tls) == ("::1", 7000, True)
    context = address.ssl_context()
    assert context is not None
    assert context.check_hostname is False


@pytest.mark.parametrize(
    "url",
    [
        "amqp://:secret@host//",
        "redis://:secret@host/zero",
        "redis://:secret@host:port/0",
        "",
        "redis://:secret@host:0x1/0",
        "redis://a/0;redis://:secret@b/0",
    ],
)
def test_a_wrong_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        parse_resp_url(url)
    assert "secret" not in str(caught.value)


def test_an_address_is_shown_without_its_secrets() -> None:
    assert str(parse_resp_url("redis://user:secret@host:1/2")) == "host:1 db 2"
