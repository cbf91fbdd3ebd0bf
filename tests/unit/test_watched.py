"""When a source was watched: what is written of it, and what follows from that."""

import pytest
from taskscope_shared.watched import FIELD, GAP_SECONDS, REMEMBERED, Watched, length, united

NOW = 1_800_000_000


def written(watched: Watched, now: float = NOW) -> Watched:
    return Watched.parse(watched.text_at(now))


def test_a_source_that_is_new_is_watched_since_its_collector_began() -> None:
    assert Watched.begun({}, NOW + 0.9) == Watched(since=NOW)


def test_what_an_older_taskscope_wrote_counts_as_watched() -> None:
    found = Watched.begun({"rolled:3600": "1"}, NOW)
    assert found.unwatched(0, NOW) == []


def test_what_is_written_is_read_again() -> None:
    assert written(Watched(5, 6, ((7, 8), (9, 10)))) == Watched(5, NOW, ((7, 8), (9, 10)))


@pytest.mark.parametrize("text", ["no time", "5", "5 6 7"])
def test_what_is_no_such_text_counts_as_watched(text: str) -> None:
    assert Watched.parse(text) == Watched()


def test_a_collector_that_comes_back_soon_leaves_no_gap_and_one_that_comes_late_does() -> None:
    meta = {FIELD: Watched(5).text_at(NOW)}
    assert Watched.begun(meta, NOW + GAP_SECONDS - 1).gaps == ()
    assert Watched.begun(meta, NOW + GAP_SECONDS).gaps == ((NOW, NOW + GAP_SECONDS),)


def test_a_collector_that_watched_all_the_time_while_it_could_not_write_leaves_no_gap() -> None:
    assert Watched.begun({FIELD: Watched(5).text_at(NOW)}, NOW - 3600).gaps == ()


def test_the_latest_gaps_alone_are_named() -> None:
    watched = Watched(5)
    for number in range(REMEMBERED + 5):
        watched = written(watched, NOW + 1000 * number).resumed(NOW + 1000 * number + 500)
    assert len(watched.gaps) == REMEMBERED
    assert watched.gaps[-1] == (NOW + 1000 * (REMEMBERED + 4), NOW + 1000 * (REMEMBERED + 4) + 500)


def test_unwatched_is_what_was_before_the_beginning_in_gaps_and_since_nobody_wrote() -> None:
    watched = Watched(100, 1000, ((200, 300),))
    assert watched.unwatched(50, 1000) == [(50, 100), (200, 300)]
    assert watched.unwatched(250, 1000 + GAP_SECONDS) == [(250, 300), (1000, 1000 + GAP_SECONDS)]
    assert watched.unwatched(400, 1000 + GAP_SECONDS - 1) == []
    assert watched.unwatched(0, 60) == [(0, 60)]


def test_time_that_is_named_twice_counts_once() -> None:
    spans = united([(5, 9), (0, 4), (3, 6), (20, 30)])
    assert spans == [(0, 9), (20, 30)]
    assert length(spans) == 19
