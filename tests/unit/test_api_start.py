"""What the service refuses to start with."""

from pathlib import Path

import pytest
from taskscope_api.__main__ import main
from taskscope_api.exposure import exposure, is_loopback
from taskscope_shared.settings import Access, Api, Settings


@pytest.mark.parametrize(
    ("config", "says"),
    [("api: {host: 0.0.0.0}\n", "access.mode"), ("apy: {}\n", "apy"), ("api: {port: nine}\n", "api.port")],
)
def test_a_wrong_or_dangerous_configuration_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: str, says: str
) -> None:
    (tmp_path / "taskscope.yaml").write_text(config)
    monkeypatch.setattr("sys.argv", ["taskscope-api", "--config", str(tmp_path / "taskscope.yaml")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_the_file_that_it_shares_with_the_collector_asks_it_for_no_secret_of_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = "sources: [{name: a, engine: celery, broker_url: 'redis://:${NOT_SET}@h/0', typo: 1}]\n"
    (tmp_path / "taskscope.yaml").write_text(shared)
    monkeypatch.setattr("sys.argv", ["taskscope-api", "--config", str(tmp_path / "taskscope.yaml")])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert "typo" in said
    assert "NOT_SET" not in said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_needs_no_saying(host: str) -> None:
    assert is_loopback(host)
    assert exposure(Settings(api=Api(host=host))) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", ""])
def test_any_other_address_has_to_be_meant(host: str) -> None:
    assert "access.mode" in (exposure(Settings(api=Api(host=host))) or "")
    assert exposure(Settings(api=Api(host=host), access=Access(mode="none"))) is None
