"""Flushes, also to a store that changed meanwhile: the same for Redis, Valkey and the twin in memory."""

import pytest
from support.stores import NOW, TTL, Backend, flush, head_of, held, stays_held, task, won
from taskscope_shared.model import Engine, Position, Queue, Source, SourceStatus, Worker, WorkerState
from taskscope_shared.store import Flush, LeaseLostError, Store, StoreChangedError


class TestFlush:
    async def test_what_was_flushed_is_in_the_snapshot(self, store: Store) -> None:
        lease = await held(store)
        worker = Worker("w", "s", Engine.CELERY, WorkerState.ONLINE)
        queue = Queue("q", "s", Engine.CELERY, depth=3)
        health = Source("s", Engine.CELERY, SourceStatus.UP)
        batch = Flush(1, NOW, tasks={"1": task("1", lease, 1)}, workers=[worker], queues=[queue], health=health)
        await store.flush(lease, batch, TTL)
        snapshot = await store.snapshot("s")
        assert snapshot is not None
        assert [found.id for found in snapshot.tasks] == ["1"]
        assert (snapshot.workers, snapshot.queues, snapshot.health) == ([worker], [queue], health)
        assert (snapshot.incarnation, snapshot.position) == (lease.incarnation, Position(lease.epoch, 1))
        assert snapshot.complete

    async def test_what_was_removed_is_gone(self, store: Store) -> None:
        lease = await held(store)
        workers = [Worker(name, "s", Engine.RQ, WorkerState.ONLINE) for name in ("u", "v")]
        queues = [Queue(name, "s", Engine.RQ) for name in ("p", "q")]
        tasks = {id_: task(id_, lease, 1) for id_ in "12"}
        await store.flush(lease, Flush(1, NOW, tasks=tasks, workers=workers, queues=queues), TTL)
        await store.flush(lease, Flush(2, NOW, removed=["1"], removed_workers=["u"], removed_queues=["p"]), TTL)
        snapshot = await store.snapshot("s")
        assert snapshot is not None
        assert [found.id for found in snapshot.tasks] == ["2"]
        assert [found.name for found in snapshot.workers] == ["v"]
        assert [found.name for found in snapshot.queues] == ["q"]
        assert await store.task_ids("s") == ["2"]

    async def test_a_flush_moves_the_head_and_a_new_holder_sees_it(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await flush(store, lease, 2, "2")
        assert await head_of(store) == (lease.incarnation, Position(lease.epoch, 2))
        await store.release(lease)
        after = await held(store, "b")
        assert after.head == Position(lease.epoch, 2)
        assert after.complete
        await flush(store, after, 1, "3")
        assert await head_of(store) == (lease.incarnation, Position(after.epoch, 1))

    async def test_a_flush_renews_the_lease(self, store: Store) -> None:
        lease = await held(store, "a", 0.3)
        await store.flush(lease, Flush(1, NOW), TTL)
        await stays_held(store, 0.4)

    async def test_a_flush_after_another_took_the_lease_is_refused_whole(self, store: Store) -> None:
        old = await held(store, "a", 0.1)
        new = await won(store, "b")
        await flush(store, new, 1, "new")
        batch = Flush(1, NOW, tasks={"old": task("old", old, 1)}, cells={(60, 0): {"name:n": b"c"}})
        with pytest.raises(LeaseLostError):
            await store.flush(old, batch, TTL)
        assert await store.task_ids("s") == ["new"]
        assert await store.load_cells("s", {(60, 0): []}) == {}
        assert await head_of(store) == (new.incarnation, Position(new.epoch, 1))

    async def test_a_flush_after_the_lease_expired_is_refused(self, store: Store) -> None:
        lease = await held(store, "a", 0.05)

        await store.release(await won(store, "probe"))
        with pytest.raises(LeaseLostError):
            await flush(store, lease, 1, "1")
        assert await store.task_ids("s") == []

    async def test_an_incomplete_state_is_marked_until_the_last_flush(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1", complete=False)
        assert (await store.meta("s"))["complete"] == "0"
        await flush(store, lease, 2, "2")
        assert (await store.meta("s"))["complete"] == "1"

    async def test_more_meta_is_written_with_the_flush(self, store: Store) -> None:
        lease = await held(store)
        await store.flush(lease, Flush(1, NOW, meta={"rolled:300": "1200"}), TTL)
        assert (await store.meta("s"))["rolled:300"] == "1200"

    async def test_loaded_tasks_are_those_among_the_ids_that_are_there(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1", "2")
        found = await store.load_tasks("s", ["1", "9"])
        assert {id_: (loaded.id, loaded.seq) for id_, loaded in found.items()} == {"1": ("1", 1)}
        assert await store.load_tasks("s", []) == {}

    async def test_loaded_workers_are_those_that_were_written_last(self, store: Store) -> None:
        lease = await held(store)
        assert await store.load_workers("s") == []
        workers = [Worker(name, "s", Engine.CELERY, WorkerState.ONLINE, events_enabled_by_us=True) for name in ("w1", "w2")]
        await store.flush(lease, Flush(1, NOW, workers=workers), TTL)
        await store.flush(lease, Flush(2, NOW, removed_workers=["w2"]), TTL)
        assert await store.load_workers("s") == workers[:1]

    async def test_loaded_queues_are_those_that_were_written_last(self, store: Store) -> None:
        lease = await held(store)
        assert await store.load_queues("s") == []
        queues = [Queue(name, "s", Engine.RQ, depth=2, depths=(1, None, 2), depths_at=60.0) for name in ("q1", "q2")]
        await store.flush(lease, Flush(1, NOW, queues=queues), TTL)
        await store.flush(lease, Flush(2, NOW, removed_queues=["q2"]), TTL)
        assert await store.load_queues("s") == queues[:1]

    async def test_cells_are_written_loaded_and_deleted(self, store: Store) -> None:
        lease = await held(store)
        cells: dict[tuple[int, int], dict[str, bytes | None]] = {
            (60, 60): {"name:a": b"1", "name:b": b"2"},
            (300, 0): {"source:": b"3"},
        }
        await store.flush(lease, Flush(1, 120.0, cells=cells), TTL)
        assert await store.load_cells("s", {(60, 60): ["name:a", "name:x"]}) == {(60, 60, "name:a"): b"1"}
        assert await store.load_cells("s", {(60, 60): [], (300, 0): []}) == {
            (60, 60, "name:a"): b"1",
            (60, 60, "name:b"): b"2",
            (300, 0, "source:"): b"3",
        }
        await store.flush(lease, Flush(2, 120.0, cells={(60, 60): {"name:a": None}}), TTL)
        assert await store.load_cells("s", {(60, 60): []}) == {(60, 60, "name:b"): b"2"}
        assert await store.load_cells("s", {}) == {}


class TestChangedStore:
    async def test_a_store_that_came_back_empty_refuses_the_flush(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await backend.erase()
        with pytest.raises(StoreChangedError):
            await flush(store, lease, 2, "2")
        assert await store.task_ids("s") == []

    async def test_an_announcement_notices_an_empty_store_too(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await backend.erase()
        with pytest.raises(StoreChangedError):
            await store.announce(lease, Position(lease.epoch, 1), NOW, TTL)

    async def test_a_store_that_came_back_older_refuses_the_flush(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await backend.step_back()
        with pytest.raises(StoreChangedError):
            await flush(store, lease, 2, "2")

    async def test_after_a_restart_everything_is_written_anew(self, backend: Backend, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        await backend.erase()
        begun = await store.restart(lease)
        assert begun.incarnation != lease.incarnation
        assert begun.epoch > lease.epoch
        await flush(store, begun, 1, "1", complete=False)
        await flush(store, begun, 2, "2")
        snapshot = await store.snapshot("s")
        assert snapshot is not None
        assert {found.id for found in snapshot.tasks} == {"1", "2"}
        assert snapshot.incarnation == begun.incarnation
        with pytest.raises(LeaseLostError):
            await flush(store, lease, 2, "3")

    async def test_a_restart_keeps_what_is_stored_of_the_tasks_and_empties_the_log(self, store: Store) -> None:
        lease = await held(store)
        await flush(store, lease, 1, "1")
        begun = await store.restart(lease)
        assert list(await store.load_tasks("s", ["1"])) == ["1"]
        assert await store.log("s", begun.incarnation, Position(0, 0)) == []
        assert (await store.meta("s"))["complete"] == "0"

    async def test_a_restart_under_a_lost_lease_is_refused(self, store: Store) -> None:
        lease = await held(store, "a", 0.1)
        await won(store, "b")
        with pytest.raises(LeaseLostError):
            await store.restart(lease)
