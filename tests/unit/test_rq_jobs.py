"""From the bytes of a job's hash and results to an observation."""

import base64
import json
import pickle
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.rq.failures import read_failure
from taskscope_collector.sources.rq.jobs import FIELDS, add_meta, add_result, moment, read_job
from taskscope_collector.sources.rq.keys import Keys, split_execution
from taskscope_collector.sources.rq.payload import Call, inflate, read_call
from taskscope_collector.sources.rq.progress import read_progress
from taskscope_shared.clock import SystemClock
from taskscope_shared.settings import Redaction

REDACTOR, CLOCK = Redactor(Redaction()), SystemClock()
AT = 1_700_000_000.0


def values(**fields: bytes) -> list[bytes | None]:
    given_fields = {"status": b"queued", "created_at": b"2026-01-02T03:04:05.678901Z", **fields}
    return [given_fields.get(name) for name in FIELDS]


def call(payload: object, description: str | None = None) -> Call:
    return read_call(zlib.compress(pickle.dumps(payload)), description, REDACTOR, CLOCK)


def test_a_job_is_read_with_empty_fields_as_null() -> None:
    job = read_job("j", values(origin=b"main", worker_name=b"", group_id=b"", started_at=b"", timeout=b"180"), AT)
    assert job is not None
    assert (job.status, job.queue, job.worker, job.group_id, job.started_at) == ("queued", "main", None, None, None)
    assert job.created_at == pytest.approx(1767323045.678901)
    assert (job.timeout_seconds, job.at) == (180.0, AT)


@pytest.mark.parametrize("missing", ["status", "created_at"])
def test_what_a_late_heartbeat_leaves_of_a_deleted_job_is_no_job(missing: str) -> None:
    fields = dict(zip(FIELDS, values(last_heartbeat=b"2026-01-02T03:04:05Z"), strict=True)) | {missing: None}
    assert read_job("j", [fields[name] for name in FIELDS], AT) is None


def test_dependencies_are_read_from_the_list_or_the_old_single_field() -> None:
    many = read_job("j", values(dependency_ids=json.dumps(["a", "b"]).encode(), dependency_id=b"a"), AT)
    one = read_job("j", values(dependency_id=b"a"), AT)
    broken = read_job("j", values(dependency_ids=b"[[", dependency_id=b"a"), AT)
    assert [job.dependencies if job else None for job in (many, one, broken)] == [("a", "b"), ("a",), ("a",)]


@given(st.lists(st.none() | st.binary(max_size=40), min_size=len(FIELDS), max_size=len(FIELDS)))
def test_no_field_can_be_so_wrong_that_it_raises(fields: list[bytes | None]) -> None:
    read_job("j", fields, AT)


@pytest.mark.parametrize(
    ("written", "is_known"), [(b"2026-01-02T03:04:05Z", True), (b"soon", False), (b"", False), (b"9999999-", False)]
)
def test_times_are_iso(written: bytes, is_known: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert (moment(written) is not None) == is_known


def test_the_function_and_its_arguments_are_read_and_redacted() -> None:
    assert call(("app.encode", None, (1, "x"), {"api_key": "k"})) == Call("app.encode", "(1, 'x')", "{'api_key': '***'}")
    assert call(("app.encode", None, (), {})) == Call("app.encode", "()", "{}")


def test_json_payloads_are_read() -> None:
    data = zlib.compress(json.dumps(["app.encode", None, [1, {"password": "x"}], {}]).encode())
    assert read_call(data, None, REDACTOR, CLOCK) == Call("app.encode", "(1, {'password': '***'})", "{}")


def test_an_uncompressed_payload_is_read() -> None:
    assert read_call(pickle.dumps(("app.encode", None, (), {})), None, REDACTOR, CLOCK).name == "app.encode"


def test_where_data_cannot_be_read_the_description_says_what_runs() -> None:
    opaque = zlib.compress(b"\x00custom serializer")
    assert read_call(opaque, "app.encode(7, secret='x')", REDACTOR, CLOCK) == Call("app.encode", "(7, secret='***')")
    assert read_call(opaque, "Encode the film, please", REDACTOR, CLOCK) == Call()
    assert read_call(opaque, None, REDACTOR, CLOCK) == Call()


def test_too_much_data_still_has_a_name() -> None:
    assert call(("app.encode", None, (list(range(100_000)),), {}), "app.encode([...])") == Call("app.encode", "([...])")


@given(st.binary(max_size=500), st.none() | st.text(max_size=50))
def test_no_payload_can_be_so_wrong_that_it_raises(data: bytes, description: str | None) -> None:
    read_call(data, description, REDACTOR, CLOCK)
    read_call(zlib.compress(data), description, REDACTOR, CLOCK)


def test_a_bomb_is_cut() -> None:
    assert len(inflate(zlib.compress(b"\0" * 10_000_000), 1_000)) == 1_000


def result(**fields: object) -> list[object]:
    flat: list[object] = []
    for name, value in fields.items():
        flat += [name.encode(), value if isinstance(value, bytes) else str(value).encode()]
    return [b"1700000001500-0", flat]


def test_a_result_says_when_where_and_what() -> None:
    job = read_job("j", values(status=b"finished"), AT)
    assert job is not None
    entry = result(
        type=1,
        worker_name="w",
        execution_id="a" * 32,
        execution_started_at=AT,
        execution_ended_at=AT + 1,
        return_value=base64.b64encode(pickle.dumps({"token": "t", "frames": 7})),
    )
    add_result(job, entry, REDACTOR, CLOCK)
    assert (job.result_type, job.worker, job.execution_id) == (1, "w", "a" * 32)
    assert (job.result_started_at, job.result_ended_at) == (AT, AT + 1)
    assert job.result == "{'token': '***', 'frames': 7}"


def test_a_result_without_an_end_ended_when_it_was_stored() -> None:
    job = read_job("j", values(status=b"stopped"), AT)
    assert job is not None
    add_result(
        job, result(type=2, exc_string=base64.b64encode(zlib.compress(b"stopped")), execution_id=b"odd"), REDACTOR, CLOCK
    )
    assert (job.result_ended_at, job.exception, job.execution_id) == (1_700_000_001.5, "stopped", None)


def test_a_result_of_a_custom_serializer_says_its_size_alone() -> None:
    job = read_job("j", values(status=b"finished"), AT)
    assert job is not None
    add_result(job, result(type=1, return_value=base64.b64encode(b"\x00\x01\x02")), REDACTOR, CLOCK)
    assert job.result == "<3 bytes>"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_result_can_be_so_wrong_that_it_raises(returned: bytes, failure: bytes) -> None:
    job = read_job("j", values(status=b"finished"), AT)
    assert job is not None
    add_result(job, result(type=b"x", return_value=returned, exc_string=failure), REDACTOR, CLOCK)
    add_meta(job, returned, REDACTOR, CLOCK)


TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    raise X\n'


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (TRACEBACK + "ValueError: no such reel\n", "ValueError", "no such reel"),
        (TRACEBACK + "rq.timeouts.JobTimeoutException: too long\n", "JobTimeoutException", "too long"),
        (TRACEBACK + "KeyError\n", "KeyError", ""),
        (TRACEBACK + "ValueError: two\nlines\n", "ValueError", "two\nlines"),
        (TRACEBACK + "KeyError: 1\n\nDuring handling of ...:\n\n" + TRACEBACK + "OSError: 2\n", "OSError", "2"),
        (
            "Work-horse terminated unexpectedly; waitpid returned 9",
            None,
            "Work-horse terminated unexpectedly; waitpid returned 9",
        ),
        ("due to AbandonedJobError, at now", "AbandonedJobError", "due to AbandonedJobError, at now"),
        (TRACEBACK.strip(), None, "raise X"),
        ("", None, ""),
    ],
)
def test_a_failure_has_its_type_and_message(text: str, kind: str | None, message: str) -> None:
    failure = read_failure(text)
    assert (failure.type, failure.message) == (kind, message)
    assert (failure.traceback is None) == ("Traceback" not in text)


@given(st.text(max_size=300))
def test_no_failure_can_be_so_odd_that_it_raises(text: str) -> None:
    read_failure(text)
    read_failure(TRACEBACK + text)


@pytest.mark.parametrize(
    ("meta", "shown"),
    [
        ({"progress": 40}, (None, None, 40.0, None)),
        ({"progress": 0.4}, (None, None, 40.0, None)),
        ({"progress": 1.0}, (None, None, 100.0, None)),
        ({"progress": 1}, (None, None, 1.0, None)),
        ({"progress": 400}, (None, None, 100.0, None)),
        ({"progress": {"current": 2, "total": 8, "message": "reel 2"}}, (2.0, 8.0, 25.0, "reel 2")),
        ({"current": 2, "total": 8, "stage": "encode"}, (2.0, 8.0, 25.0, "encode")),
        ({"current": 2, "total": 0}, (2.0, 0.0, None, None)),
        ({"percent": 12.5, "status": "busy"}, (None, None, 12.5, "busy")),
        ({"progress": "half", "percent": 50}, (None, None, 50.0, None)),
        ({"progress": True}, None),
        ({"progress": float("nan")}, None),
        ({"progress": 10**400}, None),
        ({"note": "nothing"}, None),
        ({"n": 3, "message": "of no progress"}, None),
        ([1, 2], None),
        (None, None),
    ],
)
def test_progress_is_understood_by_the_names_people_give_it(meta: object, shown: tuple[object, ...] | None) -> None:
    progress = read_progress(meta, REDACTOR, AT)
    assert (progress and (progress.current, progress.total, progress.percent, progress.message)) == shown


def test_a_changed_key_is_recognised_under_its_prefix() -> None:
    keys = Keys("{a}:rq")
    assert keys.job_of(b"{a}:rq:job:x:y") == "x:y"
    assert keys.job_of(b"{a}:rq:job::x:dependencies") is None
    assert keys.job_of(b"{a}:rq:job:x:dependents") is None
    assert keys.job_of(b"rq:job:x") is None
    assert keys.worker_of(b"{a}:rq:worker:w:executions") == "w"
    assert keys.worker_of(b"{a}:rq:workers") is None
    assert keys.queue_name("{a}:rq:queue:a:b") == "a:b"


def test_an_entry_of_wip_is_a_job_and_its_execution_or_a_job_alone() -> None:
    assert split_execution("a:b:" + "0f" * 16) == ("a:b", "0f" * 16)
    assert split_execution("a:b") == ("a:b", None)
    assert split_execution("plain") == ("plain", None)
