import pickle
from typing import Any

import msgspec
import pytest
from taskscope_collector.observations import TaskResult
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.results import NotJsonError, ResultDecoder
from taskscope_collector.sources.celery.skew import ClockSkew
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Redaction

NOW = 1_800_000_000.0
DONE = "2026-01-02T03:04:05.500000+00:00"
DONE_AT = 1_767_323_045.5


@pytest.fixture
def skew() -> ClockSkew:
    return ClockSkew()


@pytest.fixture
def decoder(skew: ClockSkew) -> ResultDecoder:
    return ResultDecoder(Redactor(Redaction()), ManualClock(NOW), skew)


def meta(status: str, result: Any, **fields: Any) -> bytes:
    return msgspec.json.encode(
        {"status": status, "result": result, "traceback": None, "children": [], "date_done": None, **fields}
    )


def test_a_success_has_its_time_and_a_redacted_preview(decoder: ResultDecoder) -> None:
    seen = decoder.decode("id", meta("SUCCESS", {"token": "x", "n": [1, None]}, date_done=DONE, task_id="id"))
    assert (seen.status, seen.at, seen.result) == ("SUCCESS", DONE_AT, "{'token': '***', 'n': [1, None]}")


def test_a_date_without_a_zone_is_utc(decoder: ResultDecoder) -> None:
    assert decoder.decode("id", meta("SUCCESS", 1, date_done="2026-01-02T03:04:05.5")).at == DONE_AT


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (["boom"], "boom"),
        ("boom", "boom"),
        ([], "()"),
        (["a", 2], "('a', 2)"),
        (None, ""),
        ([{"password": "x"}], "({'password': '***'},)"),
    ],
)
def test_a_failure_has_its_type_and_message(decoder: ResultDecoder, message: Any, shown: str) -> None:
    raised = {"exc_type": "ValueError", "exc_message": message, "exc_module": "builtins"}
    seen = decoder.decode("id", meta("FAILURE", raised, traceback="Traceback\n  password='hunter2'\nValueError: boom"))
    assert (seen.exception_type, seen.exception, seen.result) == ("ValueError", shown, None)
    assert seen.traceback is not None
    assert "hunter2" not in seen.traceback


@pytest.mark.parametrize(
    ("given", "current", "total", "percent", "message"),
    [
        ({"current": 3, "total": 4}, 3.0, 4.0, 75.0, None),
        ({"done": 1, "total": 0}, 1.0, 0.0, None, None),
        ({"percent": 140, "status": "working"}, None, None, 100.0, "working"),
        ({"progress": 0.25}, None, None, 25.0, None),
        ({"progress": 25}, None, None, 25.0, None),
        ({"progress": {"current": 1, "total": 2, "desc": "half"}}, 1.0, 2.0, 50.0, "half"),
        ({"n": 1, "total": 4, "desc": "reels"}, 1.0, 4.0, 25.0, "reels"),
        (50, None, None, 50.0, None),
        ("nearly", None, None, None, "nearly"),
        ({"message": "token=abc"}, None, None, None, "token=***"),
    ],
)
def test_progress_is_understood_by_its_usual_names(
    decoder: ResultDecoder, given: Any, current: float | None, total: float | None, percent: float | None, message: str | None
) -> None:
    progress = decoder.decode("id", meta("PROGRESS", given)).progress
    assert progress is not None
    assert (progress.current, progress.total, progress.percent, progress.message) == (current, total, percent, message)


@pytest.mark.parametrize(
    "given", [{"current": True, "percent": "12"}, {}, None, [1, 2], "", {"total": 3}, {"percent": 1e308 * 10}]
)
def test_what_says_nothing_about_progress_is_none(decoder: ResultDecoder, given: Any) -> None:
    assert decoder.decode("id", meta("PROGRESS", given)).progress is None


def test_started_names_the_worker_and_is_no_progress(decoder: ResultDecoder) -> None:
    seen = decoder.decode("id", meta("STARTED", {"pid": 7, "hostname": "w@h"}))
    assert (seen.worker, seen.progress, seen.result) == ("w@h", None, None)


def test_children_of_chains_and_groups_are_ids(decoder: ResultDecoder) -> None:
    children = [[["a", ["p", None]], None], [["group", None], [[["b", None], None], [["c", None], None]]], "odd", [1, 2]]
    assert set(decoder.decode("id", meta("SUCCESS", 1, children=children)).children) == {"a", "b", "c"}


def test_a_task_that_is_retried_is_no_child_of_itself(decoder: ResultDecoder) -> None:
    again, sent = [["id", None], None], [["a", ["id", None]], None]
    assert decoder.decode("id", meta("RETRY", None, children=[again])).children == ()
    assert decoder.decode("id", meta("RETRY", None, children=[sent, again, sent])).children == ("a",)


def test_children_are_bounded(decoder: ResultDecoder) -> None:
    many = [[[str(n), None], None] for n in range(5000)]
    nested: Any = many
    for _ in range(100):
        nested = [[["g", None], nested]]
    assert len(decoder.decode("id", meta("SUCCESS", 1, children=many)).children) == 200
    assert decoder.decode("id", meta("SUCCESS", 1, children=nested)).children == ("g",)


def test_an_extended_result_tells_the_task(decoder: ResultDecoder) -> None:
    extended = {
        "name": "t",
        "args": [1],
        "kwargs": {"secret": 2},
        "worker": "w@h",
        "retries": 2,
        "queue": "q",
        "parent_id": "id",
    }
    seen = decoder.decode("id", meta("SUCCESS", 1, group_id="g", **extended))
    assert (seen.name, seen.args, seen.kwargs, seen.worker) == ("t", "(1,)", "{'secret': '***'}", "w@h")
    assert (seen.retries, seen.queue, seen.group_id, seen.parent_id) == (2, "q", "g", None)


def test_a_pickle_is_not_read(decoder: ResultDecoder) -> None:
    with pytest.raises(NotJsonError):
        decoder.decode("id", pickle.dumps({"status": "SUCCESS"}))


def test_json_that_is_no_meta_is_an_error(decoder: ResultDecoder) -> None:
    for payload in (b"{}", b'{"status": 1}', b"{"):
        with pytest.raises(msgspec.MsgspecError):
            decoder.decode("id", payload)


def test_a_huge_result_is_known_by_its_edges(decoder: ResultDecoder) -> None:
    payload = b'{"status": "SUCCESS", "result": "' + b"x" * 3_000_000 + b'", "date_done": "' + DONE.encode() + b'"}'
    seen = decoder.decode("id", payload)
    assert (seen.status, seen.at) == ("SUCCESS", DONE_AT)
    assert seen.result is not None
    assert len(seen.result) < 2_000
    cut = decoder.decode("id", payload[:1000], cut=True)
    assert (cut.status, cut.at) == ("SUCCESS", NOW)


def test_a_secret_in_a_huge_result_is_hidden(decoder: ResultDecoder) -> None:
    payload = b'{"status": "SUCCESS", "result": {"password": "hunter2", "x": "' + b"x" * 3_000_000 + b'"}}'
    assert "hunter2" not in str(decoder.decode("id", payload).result)
    middle = b'{"status": "SUCCESS", "result": {"password": "hunter2", "x": "' + b"x" * 100_000 + b'"}}'
    assert "hunter2" not in str(decoder.decode("id", middle).result)


def test_a_wrong_clock_does_not_move_results(decoder: ResultDecoder, skew: ClockSkew) -> None:
    skew.applied["fast@h"] = 60.0
    assert decoder.decode("id", meta("SUCCESS", 1, date_done=DONE, worker="fast@h")).at == DONE_AT - 60.0
    assert decoder.decode("id", meta("SUCCESS", 1, date_done=DONE)).at == NOW


def test_a_result_is_never_later_than_now(decoder: ResultDecoder) -> None:
    seen: TaskResult = decoder.decode("id", meta("SUCCESS", 1, date_done="2099-01-01T00:00:00+00:00"))
    assert seen.at == NOW
