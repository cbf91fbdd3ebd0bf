"""What ended in a window of time, summed up."""

import msgspec

from taskscope_client.rows import Moment, Row


class Durations(Row, frozen=True, kw_only=True):
    """Durations in seconds: the mean is exact, quantiles are within `quantile_error` of themselves."""

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Example(Row, frozen=True, kw_only=True):
    """An attempt to look at."""

    id: str = ""
    source: str = ""
    ended_at: Moment
    seconds: float | None = None
    exception_type: str | None = None
    retained: bool = False


class Totals(Row, frozen=True, kw_only=True):
    """What ended in a stretch of time. An attempt counts when it ends; one that was retried counts as `retried` alone."""

    attempts: int = 0
    finished: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    revoked: int = 0
    rejected: int = 0
    lost: int = 0
    success_rate: float | None = None
    retry_rate: float | None = None
    per_second: float | None = None
    runtime: Durations | None = None
    wait: Durations | None = None


class AnalyticsGroup(Totals, frozen=True, kw_only=True):
    """One group with its share and examples."""

    group: str | None = None
    kind: str | None = None
    share: float | None = None
    slowest: tuple[Example, ...] = ()
    latest_failed: tuple[Example, ...] = ()


class Stretch(Row, frozen=True, kw_only=True):
    """A stretch of time with its totals."""

    start: Moment
    end: Moment
    seconds: float = 0.0
    watched: float = 1.0
    totals: Totals


class Change(Row, frozen=True, kw_only=True):
    """Compared with the stretch before: ratios now / before (1: unchanged), and differences of rates."""

    per_second: float | None = None
    success_rate: float | None = None
    retry_rate: float | None = None
    runtime_mean: float | None = None
    runtime_p95: float | None = None
    wait_mean: float | None = None
    wait_p95: float | None = None


class Series(Row, frozen=True, kw_only=True):
    """A series, by columns: the number at an index belongs to the start at that index; null: not kept any more, or none."""

    succeeded: tuple[int | None, ...] = ()
    failed: tuple[int | None, ...] = ()
    retried: tuple[int | None, ...] = ()
    revoked: tuple[int | None, ...] = ()
    rejected: tuple[int | None, ...] = ()
    lost: tuple[int | None, ...] = ()
    runtime_mean: tuple[float | None, ...] = ()
    runtime_p50: tuple[float | None, ...] | None = None
    runtime_p95: tuple[float | None, ...] | None = None
    runtime_p99: tuple[float | None, ...] | None = None
    wait_mean: tuple[float | None, ...] = ()
    wait_p50: tuple[float | None, ...] | None = None
    wait_p95: tuple[float | None, ...] | None = None
    wait_p99: tuple[float | None, ...] | None = None


class GroupSeries(Series, frozen=True, kw_only=True):
    """The series of one group."""

    group: str | None = None


class SeriesSet(Row, frozen=True, kw_only=True):
    """Series in buckets: of everything, of the largest groups, and of all that is in neither of these."""

    bucket_seconds: int = 0
    starts: tuple[str, ...] = ()
    total: Series
    groups: tuple[GroupSeries, ...] = ()
    rest: Series


class KindShare(Row, frozen=True, kw_only=True):
    """One type of task."""

    kind: str | None = None
    attempts: int = 0
    share: float | None = None
    success_rate: float | None = None
    runtime: Durations


class LastDay(Row, frozen=True, kw_only=True):
    """The last 24 hours by the hour, whatever the window is, and the trend: compared with the 24 hours before."""

    now: Stretch
    before: Stretch
    trend: Change
    hours: tuple[str, ...] = ()
    finished: tuple[int | None, ...] = ()
    success_rate: tuple[float | None, ...] = ()
    runtime_mean: tuple[float | None, ...] = ()


class Drain(Row, frozen=True, kw_only=True):
    """How a queue drains: what leaves it, what comes (derived), and how long it takes without and with that."""

    source: str = ""
    queue: str = ""
    depth: int | None = None
    finished_per_second: float | None = None
    seconds_to_drain: float | None = None
    reason: str | None = None
    in_per_second: float | None = None
    out_per_second: float | None = None
    net_drain_seconds: float | None = None
    grows: bool | None = None
    unknown: dict[str, str] = msgspec.field(default_factory=dict)


class Gap(Row, frozen=True, kw_only=True):
    """A part of the window that nothing is kept of."""

    source: str = ""
    start: Moment
    end: Moment


class Analytics(Row, frozen=True, kw_only=True):
    """What ended in a window, summed up; counts are exact."""

    at: Moment
    start: Moment
    end: Moment
    seconds: float = 0.0
    watched: float = 1.0
    watched_from: Moment | None = None
    unwatched: tuple[Gap, ...] = ()
    group_by: str = ""
    sources: tuple[str, ...] = ()
    stale: bool = False
    stale_reasons: tuple[str, ...] = ()
    quantile_error: float = 0.0
    gaps: tuple[Gap, ...] = ()
    totals: Totals
    slowest: tuple[Example, ...] = ()
    latest_failed: tuple[Example, ...] = ()
    before: Stretch | None = None
    change: Change | None = None
    groups: tuple[AnalyticsGroup, ...] = ()
    group_count: int = 0
    unattributed: int | None = None
    series: SeriesSet | None = None
    kinds: tuple[KindShare, ...] | None = None
    last_day: LastDay
    queues: tuple[Drain, ...] = ()
    unknown: dict[str, str] = msgspec.field(default_factory=dict)


class FailureExample(Row, frozen=True, kw_only=True):
    """The latest task of a shape."""

    id: str = ""
    source: str = ""
    name: str | None = None
    ended_at: Moment | None = None
    message: str | None = None


class FailureGroup(Row, frozen=True, kw_only=True):
    """Failures of one type and one shape of message."""

    exception_type: str | None = None
    shape: str | None = None
    count: int = 0
    first_at: Moment | None = None
    last_at: Moment | None = None
    names: tuple[str, ...] = ()
    example: FailureExample


class Failures(Row, frozen=True, kw_only=True):
    """Why tasks failed, most frequent first."""

    at: Moment
    start: Moment
    end: Moment
    stale: bool = False
    covers: str = ""
    failed: int = 0
    group_count: int = 0
    items: tuple[FailureGroup, ...] = ()
