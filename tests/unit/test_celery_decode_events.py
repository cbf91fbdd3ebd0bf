import base64
from typing import Any

import msgspec
import pytest
from taskscope_collector.observations import Counts, Observation, TaskEvent, WorkerBeat
from taskscope_collector.sources.celery.decode import EventDecoder, Malformed
from taskscope_collector.sources.celery.roster import KnownIds, Roster
from taskscope_collector.sources.celery.skew import ClockSkew
from taskscope_shared.clock import ManualClock

NOW = 1_000.0


class Bench:
    def __init__(self) -> None:
        self.counts = Counts()
        self.skew = ClockSkew()
        self.roster = Roster()
        self.known = KnownIds()
        self.decoder = EventDecoder(self.counts, Malformed(self.counts), self.skew, self.roster, self.known, ManualClock())

    def message(self, topic: str, body: Any) -> list[Observation]:
        encoded = base64.b64encode(msgspec.json.encode(body)).decode()
        return self.enveloped(topic, {"body": encoded, "properties": {"body_encoding": "base64"}})

    def enveloped(self, topic: str, envelope: dict[str, Any]) -> list[Observation]:
        out: list[Observation] = []
        self.decoder.message(topic.encode(), msgspec.json.encode(envelope), out, NOW)
        return out


@pytest.fixture
def bench() -> Bench:
    return Bench()


def event(kind: str = "task-started", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "uuid": "id", "hostname": "w@h", "timestamp": 900.0, "utcoffset": -9, "pid": 1, "clock": 2, **fields}


def beat(**fields: Any) -> dict[str, Any]:
    return {"type": "worker-heartbeat", "hostname": "w@h", "timestamp": 900.0, "freq": 2.0, "utcoffset": 0, **fields}


def test_an_event_keeps_its_own_time_whatever_its_utcoffset_says(bench: Bench) -> None:
    [seen] = bench.message("task.started", event(utcoffset=-9))
    assert isinstance(seen, TaskEvent)
    assert (seen.uuid, seen.at) == ("id", 900.0)


def test_a_list_of_one_is_read_like_a_list_of_many(bench: Bench) -> None:
    assert len(bench.message("task.multi", [event()])) == 1
    assert len(bench.message("task.multi", [event(), event("task-succeeded", result="3", runtime=None)])) == 2
    assert bench.counts.received == 3


def test_a_body_that_is_not_base64_is_read(bench: Bench) -> None:
    body = msgspec.json.encode(event()).decode()
    assert len(bench.enveloped("task.started", {"body": body})) == 1


def test_custom_events_and_gossip_are_no_observations_and_no_errors(bench: Bench) -> None:
    assert bench.message("task.progress", event("task-progress", current=1, result={"not": "text"})) == []
    assert bench.message("worker.elect", {"type": "worker-elect", "hostname": "w@h", "action": ["x"]}) == []
    assert bench.message("anything.else", {"type": "anything-else"}) == []
    assert bench.counts.malformed == 0


def test_one_event_that_cannot_be_read_does_not_hide_its_neighbours(bench: Bench) -> None:
    seen = bench.message("task.multi", [event(uuid="1"), event(uuid=7), event("task-progress", uuid=None), event(uuid="2")])
    assert [e.uuid for e in seen if isinstance(e, TaskEvent)] == ["1", "2"]
    assert bench.counts.malformed == 1


def test_without_topics_the_type_decides(bench: Bench) -> None:
    assert isinstance(bench.message("", event())[0], TaskEvent)
    assert isinstance(bench.message("", beat())[0], WorkerBeat)


def test_a_malformed_kind_is_logged_once_and_counted_each_time(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        bench.message("task.started", event(uuid=None))
    assert bench.counts.malformed == 3
    assert len(caplog.records) == 1


def test_the_ids_of_events_are_known_as_ours(bench: Bench) -> None:
    bench.message("task.started", event(uuid="ours"))
    assert "ours" in bench.known
    assert "theirs" not in bench.known


def test_known_ids_are_forgotten_by_generations() -> None:
    known = KnownIds(limit=2)
    for task_id in "abcdefg":
        known.current.add(task_id)
        known.turn()
    assert "g" in known
    assert "a" not in known


def test_a_worker_whose_clock_is_ahead_is_corrected_from_its_heartbeats(bench: Bench) -> None:
    for sent in (1_003.0, 1_003.1, 1_002.5):
        bench.message("worker.heartbeat", beat(timestamp=sent))
    [seen] = bench.message("task.started", event(timestamp=1_003.0))
    assert isinstance(seen, TaskEvent)
    assert seen.at == pytest.approx(1_003.0 - 3.1, abs=0.11)
    assert seen.uncorrected_at == 1_003.0


def test_a_producer_is_corrected_like_a_worker_of_its_host(bench: Bench) -> None:
    for _ in range(3):
        bench.message("worker.heartbeat", beat(hostname="celery@far", timestamp=NOW - 10.0))
    [seen] = bench.message("task.sent", event("task-sent", hostname="gen7@far", timestamp=NOW - 10.0))
    [other] = bench.message("task.sent", event("task-sent", hostname="gen7@near", timestamp=NOW - 10.0))
    assert isinstance(seen, TaskEvent)
    assert isinstance(other, TaskEvent)
    assert (seen.at, other.at) == (NOW, NOW - 10.0)


def test_a_late_heartbeat_is_no_skew() -> None:
    skew = ClockSkew()
    for delay in (0.01, 5.0, 4.0, 0.02):
        skew.heard("w@h", 100.0, 100.0 + delay)
    assert skew.of("w@h") == 0.0


def test_an_estimate_at_the_edge_does_not_flap() -> None:
    skew = ClockSkew()
    applied = []
    for ahead in (0.52, 0.52, 0.45, 0.48, 0.55, 0.41):
        for _ in range(15):
            skew.heard("w@h", 100.0 + ahead, 100.0)
        applied.append(skew.of("w@h"))
    assert applied == pytest.approx([0.52, 0.52, 0.52, 0.52, 0.52, 0.41])


def test_a_worker_that_says_hello_again_is_a_new_process(bench: Bench) -> None:
    bench.message("worker.online", beat(type="worker-online", pid=1))
    node = bench.roster.nodes["w@h"]
    node.events, node.events_enabled_by_us = True, True
    bench.roster.arrived.clear()
    bench.message("worker.heartbeat", beat(pid=1))
    assert [node.events, bench.roster.arrived.is_set()] == [True, False]
    bench.message("worker.heartbeat", beat(pid=2))
    assert [node.events, node.events_enabled_by_us, bench.roster.arrived.is_set()] == [None, False, True]
