"""What a URL of Sentinels says."""

from taskscope_shared.sentinel_url import PORT, parse_sentinel_url


def test_sentinels_are_between_commas_each_with_its_port() -> None:
    found = parse_sentinel_url("redis+sentinel://a:1,b,[fd00::7]:3,[::1]/films")
    assert found.addresses == (("a", 1), ("b", PORT), ("fd00::7", 3), ("::1", PORT))
    assert (found.master, found.database) == ("films", "0")


def test_a_server_gets_its_password_database_and_options() -> None:
    found = parse_sentinel_url("redis+sentinel://u:p%2F@a/films/3?sentinel_password=hush&socket_keepalive=1")
    assert found.of_server("10.0.0.7", 6379) == "redis://u:p%2F@10.0.0.7:6379/3?socket_keepalive=1"
    assert found.of_server("fd00::7", 6379).startswith("redis://u:p%2F@[fd00::7]:6379/3?")


def test_sentinels_get_their_own_password_and_the_certificates_of_the_servers() -> None:
    found = parse_sentinel_url(
        "rediss+sentinel://:p@a/films?sentinel_username=m&sentinel_password=a%26b&ssl_ca_certs=/ca.crt&socket_keepalive=1"
    )
    assert found.of_sentinels() == "rediss://?username=m&password=a%26b&ssl_ca_certs=%2Fca.crt"
    assert found.of_server("h", 1) == "rediss://:p@h:1/0?ssl_ca_certs=%2Fca.crt&socket_keepalive=1"
