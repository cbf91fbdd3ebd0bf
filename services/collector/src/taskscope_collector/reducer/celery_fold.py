"""The fold of a Celery task: its facts, in whatever order they came, to its state."""

from taskscope_collector.observations import TaskEvent, TaskResult
from taskscope_collector.reducer.celery_events import epoch_seconds, fold_events
from taskscope_collector.reducer.celery_places import fold_inferences, fold_places
from taskscope_collector.reducer.celery_results import fold_results
from taskscope_collector.reducer.order import ordered_events
from taskscope_collector.reducer.record import Draft, Fact
from taskscope_collector.reducer.runs import Folding, Run, Send


def fold(base: Draft | None, facts: list[Fact]) -> Folding:
    """Events tell of the deliveries; places and results fill in and tell of what no event did; inferences come last."""
    folding = Folding(base)
    events = ordered_events(facts)
    if base is not None:
        events = _newer(folding, base, events)
    fold_events(folding, events)
    fold_places(folding, facts)
    fold_results(folding, [fact for fact in facts if type(fact) is TaskResult])
    fold_inferences(folding, facts)
    return folding


def _newer(folding: Folding, base: Draft, events: list[TaskEvent]) -> list[TaskEvent]:
    """Without the events older than what was settled: those only fill in what is null, unless what they say was guessed."""
    run = folding.last
    # Not the time of sending: a producer's clock is never corrected, and may be ahead.
    settled_at = max((base.received_at or 0.0, base.started_at or 0.0, base.finished_at or 0.0))
    kept: list[TaskEvent] = []
    for event in events:
        if event.type == "task-sent" and any(_is_known(send, event) for send in folding.sends):
            continue
        if event.at > settled_at or (run is not None and run.inferred and _ends(event)):
            kept.append(event)
        else:
            _fill(folding, run, event)
    return kept


def _is_known(send: Send, event: TaskEvent) -> bool:
    return send.retries == (event.retries or 0) and send.at == event.at


def _ends(event: TaskEvent) -> bool:
    return event.type not in ("task-sent", "task-received", "task-started")


def _fill(folding: Folding, run: Run | None, event: TaskEvent) -> None:
    folding.name = folding.name or event.name
    folding.args = folding.args if folding.args is not None else event.args
    folding.kwargs = folding.kwargs if folding.kwargs is not None else event.kwargs
    folding.root_id = folding.root_id or event.root_id
    folding.queue = folding.queue or event.queue
    if folding.parent_id is None and event.parent_id != event.uuid:
        folding.parent_id = event.parent_id
    if run is None or not _is_of(run, event):
        return
    if event.type == "task-sent" and run.queued_at is None:
        run.queued_at = event.at
        run.eta_at = run.eta_at if run.eta_at is not None else epoch_seconds(event.eta)
    elif event.type == "task-received" and run.received_at is None:
        run.received_at = event.at
    elif event.type == "task-started" and run.started_at is None:
        run.started_at = event.at
    elif event.type == "task-succeeded" and run.runtime is None:
        run.runtime = event.runtime
        run.result = run.result if run.result is not None else event.result


def _is_of(run: Run, event: TaskEvent) -> bool:
    if event.type == "task-sent":
        return (event.retries or 0) == run.retries
    return run.worker in (None, event.hostname)
