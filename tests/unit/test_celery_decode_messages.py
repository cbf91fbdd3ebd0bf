import base64
from typing import Any

import msgspec
import pytest
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.messages import MessageDecoder
from taskscope_collector.sources.celery.names import BrokerNames, glob_escaped, result_prefix
from taskscope_collector.sources.celery.queues_redis import is_work
from taskscope_shared.settings import CelerySource, Redaction

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def decoder() -> MessageDecoder:
    return MessageDecoder(Redactor(Redaction()))


def message(body: Any = None, priority: int = 0, **headers: Any) -> bytes:
    encoded = base64.b64encode(msgspec.json.encode(body)).decode()
    return msgspec.json.encode(
        {"body": encoded, "headers": headers, "properties": {"priority": priority, "body_encoding": "base64"}}
    )


def test_a_waiting_message_tells_everything_but_its_time(decoder: MessageDecoder) -> None:
    headers = {
        "id": "1",
        "task": "t",
        "argsrepr": "(1, {'token': 'x'})",
        "kwargsrepr": "{}",
        "root_id": "1",
        "parent_id": "1",
        "group": "g",
        "retries": 2,
        "eta": "2026-01-02T03:04:05+00:00",
        "expires": None,
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
    }
    seen = decoder.queued(message(priority=3, **headers), "q", 10.0)
    assert (seen.id, seen.queue, seen.name, seen.args, seen.at) == ("1", "q", "t", "(1, {'token': '***'})", 10.0)
    assert (seen.parent_id, seen.group_id, seen.retries, seen.priority, seen.trace_id) == (None, "g", 2, 3, TRACE)
    assert (seen.eta_at, seen.expires_at) == (1_767_323_045.0, None)


def test_a_message_of_protocol_1_is_read_from_its_body(decoder: MessageDecoder) -> None:
    body = {"id": "1", "task": "t", "args": [1], "kwargs": {"password": "x"}, "retries": 0, "eta": None, "expires": None}
    seen = decoder.queued(message(body), "q", 10.0)
    assert (seen.id, seen.args, seen.kwargs) == ("1", "(1,)", "{'password': '***'}")


def test_the_body_of_a_message_is_not_looked_into_if_the_headers_tell(decoder: MessageDecoder) -> None:
    payload = msgspec.json.encode(
        {"body": "gASVnotbase64", "content-type": "application/x-python-serialize", "headers": {"id": "1"}}
    )
    assert decoder.queued(payload, "q", 10.0).id == "1"


def test_an_unacknowledged_message_names_its_queue(decoder: MessageDecoder) -> None:
    entry = msgspec.json.encode([msgspec.Raw(message(id="1", task="t")), "", "video"])
    seen = decoder.unacked(entry, 10.0)
    assert (seen.id, seen.queue, seen.unacked) == ("1", "video", True)


@pytest.mark.parametrize("payload", [b"", b"[]", b"text", message({"no": "id"}), message("x" * 100_000)])
def test_what_is_no_task_message_is_an_error(decoder: MessageDecoder, payload: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decoder.queued(payload, "q", 10.0)


def names(db: int = 0, **settings: Any) -> BrokerNames:
    return BrokerNames.of(CelerySource(name="s", broker_url="redis://h/0", **settings), db)


def test_channels_and_keys_are_those_of_kombu() -> None:
    assert names(3).event_pattern == "/3.celeryev/*"
    assert names(fanout_patterns=False).event_pattern == "/0.celeryev"
    assert names(fanout_prefix=False).event_pattern == "celeryev/*"
    assert names(fanout_prefix="/fan.{db}/").pidbox_channel == "/fan.0/celery.pidbox"
    assert names(global_keyprefix="app[1]").event_pattern == "app\\[1\\]/0.celeryev/*"
    assert names(global_keyprefix="app1-").queue_keys("q") == [
        "app1-q",
        "app1-q\x06\x163",
        "app1-q\x06\x166",
        "app1-q\x06\x169",
    ]
    assert names(global_keyprefix="app1-").binding("celery") == "app1-_kombu.binding.celery"


def test_the_separator_of_priorities_is_also_that_of_bindings() -> None:
    """`sep: ':'` is in Celery's own examples; a worker cannot read a member with another one, and does not answer."""
    named = names(priority_separator=":", priority_steps=(0, 5))
    assert named.queue_keys("q") == ["q", "q:5"]
    assert named.binding_member("oid", "oid.reply") == "oid::oid.reply"
    assert names().binding_member("oid", "oid.reply") == "oid\x06\x16\x06\x16oid.reply"


def test_a_result_prefix_is_separated_as_the_backend_does() -> None:
    assert result_prefix("") == "celery-task-meta-"
    assert result_prefix("app") == "app_celery-task-meta-"
    assert result_prefix("app:") == "app:celery-task-meta-"
    assert glob_escaped("a*b?c[d]") == "a\\*b\\?c\\[d\\]"


def test_queues_of_remote_control_and_events_hold_no_work() -> None:
    assert is_work("celery")
    assert not any(map(is_work, ("", "w@h.celery.pidbox", "x.reply.celery.pidbox", "celeryev.1")))
