"""How much of each queue is read at the beginning, and what the ledger makes of what it finds."""

from hypothesis import given
from hypothesis import strategies as st
from taskscope_collector.observations import JobGone, JobSeen
from taskscope_collector.sources.rq.ledger import REMEMBERED, Ledger
from taskscope_collector.sources.rq.reconcile import fair_shares


def seen(job_id: str, status: str, **fields: object) -> JobSeen:
    return JobSeen(job_id, status, 1.0, **fields)  # type: ignore[arg-type]


def test_small_queues_are_read_whole_and_big_ones_alike() -> None:
    assert fair_shares([10, 1_000, 5, 1_000], 215) == [10, 100, 5, 100]
    assert fair_shares([1, 2], 100) == [1, 2]
    assert fair_shares([5, 5], 0) == [0, 0]
    assert fair_shares([], 10) == []


@given(st.lists(st.integers(0, 10_000), max_size=30), st.integers(0, 100_000))
def test_shares_never_exceed_what_is_wanted_or_allowed_and_waste_nothing(wanted: list[int], budget: int) -> None:
    shares = fair_shares(wanted, budget)
    assert all(share <= want for share, want in zip(shares, wanted, strict=True))
    assert sum(shares) <= budget
    assert sum(shares) == sum(wanted) or sum(shares) == budget or not wanted


def test_what_was_read_and_fits_its_place_is_not_read_again() -> None:
    ledger = Ledger()
    ledger.saw(seen("a", "finished"))
    assert ledger.doubtful("finished", ["a", "b"]) == ["b"]
    assert ledger.doubtful("wip", ["a"]) == ["a"]


def test_a_job_in_two_places_is_read_once_for_each() -> None:
    ledger = Ledger()
    ledger.saw(seen("a", "finished"))  # it was cancelled while it ran
    assert ledger.doubtful("canceled", ["a"]) == ["a"]
    ledger.accept("canceled", ["a"])
    assert ledger.doubtful("canceled", ["a"]) == []
    ledger.saw(seen("a", "queued"))
    assert ledger.doubtful("canceled", ["a"]) == ["a"]


def test_an_expired_job_that_is_still_listed_is_asked_for_once() -> None:
    ledger = Ledger()
    ledger.accept("finished", ["expired"])
    assert ledger.doubtful("finished", ["expired"]) == []


def test_only_the_end_of_a_known_or_expected_job_is_reported() -> None:
    ledger = Ledger()
    ledger.saw(seen("known", "queued"))
    gone = [JobGone("known", 2.0), JobGone("foreign", 2.0), JobGone("expected", 2.0)]
    assert [one.id for one in ledger.take(gone, frozenset({"expected"}))] == ["known", "expected"]
    assert "known" not in ledger


def test_a_new_run_does_not_inherit_until_when_the_last_one_was_vouched_for() -> None:
    ledger = Ledger()

    def vouched_until() -> float | None:
        return ledger.running["a"].wip_expires_at

    ledger.saw(seen("a", "started", started_at=1.0))
    ledger.running["a"].wip_expires_at = 90.0
    ledger.saw(seen("a", "started", started_at=1.0))
    assert vouched_until() == 90.0
    ledger.saw(seen("a", "started", started_at=100.0))
    assert vouched_until() is None
    ledger.saw(seen("a", "failed"))
    assert ledger.running == {}


def test_the_ledger_is_bounded() -> None:
    ledger = Ledger()
    for number in range(REMEMBERED + 10):
        ledger.saw(seen(str(number), "finished"))
    assert len(ledger) == REMEMBERED
    assert "0" not in ledger
