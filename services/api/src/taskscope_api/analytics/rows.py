"""What the analytics answer: docs/analytics.md. Durations are seconds, rates 0 to 1; a field that cannot be known is null."""

from typing import Annotated

import msgspec

from taskscope_api.analytics.tally import RELATIVE_ERROR
from taskscope_api.described import Count, Flag, Seconds, Time, says
from taskscope_api.queries import Moment, Values

Rate = Annotated[float, msgspec.Meta(ge=0, le=1, examples=[0.98])]
Ratio = Annotated[float, msgspec.Meta(examples=[1.12])]
Counts = list[int | None]
Numbers = list[float | None]


class DurationsRow(msgspec.Struct):
    """Durations in seconds: the mean is exact, quantiles are within `quantile_error` of themselves."""

    count: Annotated[Count, says("Attempts whose duration is known")]
    mean: Annotated[Seconds | None, says("Mean, exact; null without any")]
    p50: Annotated[Seconds | None, says("Median; null without any")]
    p95: Annotated[Seconds | None, says("95 % took no longer; null without any")]
    p99: Annotated[Seconds | None, says("99 % took no longer; null without any")]


class ExampleRow(msgspec.Struct):
    """An attempt to look at."""

    id: Annotated[str, says("The task's id", "6f1d2c")]
    source: Annotated[str, says("The task's source", "archivist")]
    ended_at: Annotated[Time, says("When the attempt ended")]
    seconds: Annotated[Seconds | None, says("How long it ran; null where that is not known")]
    exception_type: Annotated[str | None, says("Type of its exception, if it had one that is known", "TimeoutError")]
    retained: Annotated[Flag, says("Whether `/api/tasks/{source}/{id}` still has the task")]


class Totals(msgspec.Struct):
    """What ended in a stretch of time. An attempt counts when it ends; one that was retried counts as `retried` alone."""

    attempts: Annotated[Count, says("Attempts that ended in any way, retried ones too")]
    finished: Annotated[Count, says("Tasks that ended: all attempts but the retried ones")]
    succeeded: Annotated[Count, says("Succeeded")]
    failed: Annotated[Count, says("Failed")]
    retried: Annotated[Count, says("Attempts that ended in a retry")]
    revoked: Annotated[Count, says("Revoked, canceled or stopped")]
    rejected: Annotated[Count, says("Rejected by a worker")]
    lost: Annotated[Count, says("Lost with their worker")]
    success_rate: Annotated[Rate | None, says("succeeded / (succeeded + failed + rejected + lost); null without any")]
    retry_rate: Annotated[Rate | None, says("retried / attempts; null without any")]
    per_second: Annotated[
        float | None,
        says(
            "Tasks that ended while they were watched, by the time in which they were; null where nothing of it is kept", 4.25
        ),
    ]
    runtime: Annotated[DurationsRow | None, says("Runtime; null where it is not kept, see `unknown`")]
    wait: Annotated[DurationsRow | None, says("Wait before the start; null where it is not kept, see `unknown`")]


class GroupRow(Totals, kw_only=True):
    """One group with its share and examples."""

    group: Annotated[
        str | None, says("Name, kind, queue, worker or source; null: kinds of names that were not kept apart", "vod")
    ]
    kind: Annotated[str | None, says("The name's kind; null in other groupings", "vod")]
    share: Annotated[Rate | None, says("Its share of all attempts of the answer")]
    slowest: Annotated[list[ExampleRow], says("At most 3 slowest attempts")]
    latest_failed: Annotated[list[ExampleRow], says("At most 3 latest failed attempts")]


class StretchRow(msgspec.Struct):
    """A stretch of time with its totals."""

    start: Annotated[Time, says("Its start")]
    end: Annotated[Time, says("Its end")]
    seconds: Annotated[Seconds, says("How much of it was watched and is kept")]
    watched: Annotated[Rate, says("The same as a share, at the source of which it is least", 1.0)]
    totals: Annotated[Totals, says("What ended in it")]


class Change(msgspec.Struct):
    """Compared with the stretch before: ratios now / before (1: unchanged), and differences of rates. All null where too little
    of the stretch before was watched, see `unknown`.
    """

    per_second: Annotated[Ratio | None, says("Ratio of finished tasks a second; null where there were none before")]
    success_rate: Annotated[float | None, says("Difference of success rates", -0.01)]
    retry_rate: Annotated[float | None, says("Difference of retry rates", 0.002)]
    runtime_mean: Annotated[Ratio | None, says("Ratio of mean runtimes")]
    runtime_p95: Annotated[Ratio | None, says("Ratio of 95 % quantiles of runtime")]
    wait_mean: Annotated[Ratio | None, says("Ratio of mean waits")]
    wait_p95: Annotated[Ratio | None, says("Ratio of 95 % quantiles of wait")]


class Columns(msgspec.Struct):
    """A series, by columns: the number at an index belongs to the start at that index; null: not kept any more, or none."""

    succeeded: Annotated[Counts, says("Succeeded", [12, 9])]
    failed: Annotated[Counts, says("Failed", [0, 1])]
    retried: Annotated[Counts, says("Attempts that ended in a retry", [0, 0])]
    revoked: Annotated[Counts, says("Revoked", [0, 0])]
    rejected: Annotated[Counts, says("Rejected", [0, 0])]
    lost: Annotated[Counts, says("Lost", [0, 0])]
    runtime_mean: Annotated[Numbers, says("Mean runtime", [1.25, 1.5])]
    runtime_p50: Annotated[Numbers | None, says("Median runtime; null for what is summed by subtraction", [1.02, 1.1])]
    runtime_p95: Annotated[Numbers | None, says("95 % quantile of runtime", [3.1, 3.2])]
    runtime_p99: Annotated[Numbers | None, says("99 % quantile of runtime", [4.4, 4.9])]
    wait_mean: Annotated[Numbers, says("Mean wait", [0.2, 0.31])]
    wait_p50: Annotated[Numbers | None, says("Median wait", [0.1, 0.12])]
    wait_p95: Annotated[Numbers | None, says("95 % quantile of wait", [0.9, 1.1])]
    wait_p99: Annotated[Numbers | None, says("99 % quantile of wait", [1.8, 2.1])]


class GroupSeries(Columns, kw_only=True):
    """The series of one group."""

    group: Annotated[str | None, says("As in `groups`", "vod")]


class SeriesRow(msgspec.Struct):
    """Series in buckets: of everything, of the largest groups, and of all that is in neither of these."""

    bucket_seconds: Annotated[Count, says("Length of a bucket; the last one may not be over")]
    starts: Annotated[list[str], says("Starts of the buckets", ["2026-03-01T09:30:00.000Z", "2026-03-01T09:35:00.000Z"])]
    total: Annotated[Columns, says("Everything")]
    groups: Annotated[list[GroupSeries], says("The largest groups, largest first")]
    rest: Annotated[Columns, says("Everything but `groups`; without quantiles")]


class KindShare(msgspec.Struct):
    """One type of task."""

    kind: Annotated[str | None, says("The kind; null: of names that were not kept apart", "vod")]
    attempts: Annotated[Count, says("Attempts that ended")]
    share: Annotated[Rate | None, says("Its share of all that have a name")]
    success_rate: Annotated[Rate | None, says("As in the totals")]
    runtime: Annotated[DurationsRow, says("Runtime; its mean is the mean completion time")]


class LastDay(msgspec.Struct):
    """The last 24 hours by the hour, whatever the window is, and the trend: compared with the 24 hours before."""

    now: Annotated[StretchRow, says("The last 23 whole hours and the current one")]
    before: Annotated[StretchRow, says("The 24 hours before")]
    trend: Annotated[Change, says("`now` compared with `before`")]
    hours: Annotated[list[str], says("Starts of the hours", ["2026-03-01T09:00:00.000Z"])]
    finished: Annotated[Counts, says("Tasks that ended in the hour", [1204])]
    success_rate: Annotated[Numbers, says("Success rate of the hour; null without any", [0.98])]
    runtime_mean: Annotated[Numbers, says("Mean runtime in the hour", [1.25])]


class DrainRow(msgspec.Struct):
    """How a queue drains: what leaves it, what comes (derived, see docs/analytics.md), and how long it takes at these rates."""

    source: Annotated[str, says("The queue's source", "archivist")]
    queue: Annotated[str, says("Its name", "vod")]
    depth: Annotated[Count | None, says("Messages that wait; null where the broker does not tell")]
    finished_per_second: Annotated[float | None, says("Tasks of the queue that ended, a second, in the last minutes", 4.25)]
    seconds_to_drain: Annotated[
        Seconds | None, says("depth / finished_per_second, as if nothing more came; 0 for an empty queue")
    ]
    reason: Annotated[str | None, says("Why `seconds_to_drain` is null", "its broker does not tell the depth")]
    in_per_second: Annotated[
        float | None, says("What came, a second: derived as what ended plus the change of depth over the same minutes", 3.9)
    ]
    out_per_second: Annotated[
        float | None, says("Tasks of the queue that ended, a second, over the same minutes as `in_per_second`", 4.1)
    ]
    net_drain_seconds: Annotated[
        Seconds | None,
        says("depth / (out_per_second - in_per_second), if both go on; null where it grows; 0 for an empty queue"),
    ]
    grows: Annotated[Flag | None, says("Whether more comes than leaves; null where that is not known")]
    unknown: Annotated[dict[str, str], says("Field: why it is null", {"net_drain_seconds": "as much comes as leaves"})]


class Gap(msgspec.Struct):
    """A part of the window that nothing is kept of, or that nobody watched."""

    source: Annotated[str, says("Of which source", "archivist")]
    start: Annotated[Time, says("Its start")]
    end: Annotated[Time, says("Its end")]


class Analytics(msgspec.Struct, kw_only=True):
    """What ended in a window, summed up; counts are exact."""

    at: Annotated[Time, says("When the figures were read")]
    start: Annotated[Time, says("Start of the window, rounded down to a bucket")]
    end: Annotated[Time, says("End of the window")]
    seconds: Annotated[Seconds, says("How much of the window was watched and is kept, at the source of which that is most")]
    watched: Annotated[Rate, says("The same as a share, at the source of which it is least", 1.0)]
    watched_from: Annotated[Time | None, says("Since when it was watched, `start` at the earliest; null: not at all")]
    unwatched: Annotated[list[Gap], says("Parts of the window in which no collector watched: in rates these are left out")]
    group_by: Annotated[str, says("What is grouped by", "name", enum=["name", "kind", "queue", "worker", "source"])]
    sources: Annotated[list[str], says("The sources that are summed up", ["archivist"])]
    stale: Annotated[Flag, says("Whether the figures may be behind")]
    stale_reasons: Annotated[list[str], says("Why", ["archivist: its collector is silent"])]
    quantile_error: Annotated[float, says("A quantile is off by at most this share of itself", RELATIVE_ERROR)] = RELATIVE_ERROR
    gaps: Annotated[list[Gap], says("Parts of the window that nothing is kept of")]
    totals: Annotated[Totals, says("Everything that the filters let in")]
    slowest: Annotated[list[ExampleRow], says("At most 3 slowest attempts of all")]
    latest_failed: Annotated[list[ExampleRow], says("At most 3 latest failed attempts of all")]
    before: Annotated[StretchRow | None, says("The window before, with `compare=true`")]
    change: Annotated[Change | None, says("Compared with the window before, with `compare=true`")]
    groups: Annotated[list[GroupRow], says("Largest first")]
    group_count: Annotated[Count, says("How many groups there are, also those that are not in `groups`")]
    unattributed: Annotated[Count | None, says("Attempts in `totals` of no group: without a known name, queue or worker")]
    series: Annotated[SeriesRow | None, says("Series; null with `series=0`")]
    kinds: Annotated[list[KindShare] | None, says("Distribution by type; null with a filter that it cannot obey")]
    last_day: Annotated[LastDay, says("The last 24 hours, and the trend")]
    queues: Annotated[list[DrainRow], says("Time to drain, for each queue of the sources")]
    unknown: Annotated[dict[str, str], says("Member -> why it is null or incomplete", {"groups.wait": "not kept for workers"})]


class AnalyticsQuery(msgspec.Struct):
    """Of `/api/tasks/analytics`. Filters repeat, or hold several values between commas; `*` stands for any text."""

    window: Annotated[str, says("How much time, up to 90d", "24h", pattern="^[1-9][0-9]{0,6}[smhdw]$")] = "24h"
    bucket: Annotated[
        str,
        says("Length of a series' buckets: a multiple of 1m up to 6h back, of 5m up to 48h, of 1h beyond; `auto` fits", "5m"),
    ] = "auto"
    group_by: Annotated[
        str | None,
        says(
            "What to group by; without it by what is filtered, else by name",
            "name",
            enum=["name", "kind", "queue", "worker", "source"],
        ),
    ] = None
    kind: Annotated[Values | None, says("Kinds; not together with queue or worker", ["vod"])] = None
    name: Annotated[Values | None, says("Names; not together with queue or worker", ["archive.*"])] = None
    queue: Annotated[Values | None, says("Queues; not together with kind, name or worker", ["vod"])] = None
    worker: Annotated[Values | None, says("Workers; not together with kind, name or queue", ["celery@encoder-1"])] = None
    source: Annotated[Values | None, says("Sources", ["archivist"])] = None
    until: Annotated[
        Moment | None, says("When the window ends, rounded down to a bucket; without it now", "2026-03-01T09:30:00Z")
    ] = None
    compare: Annotated[Flag, says("Whether to sum up the window before, too")] = False
    series: Annotated[int, msgspec.Meta(ge=0, le=50), says("How many of the largest groups get a series; 0: no series", 20)] = (
        20
    )
    groups: Annotated[int, msgspec.Meta(ge=0, le=500), says("How many of the largest groups are listed", 200)] = 200
    format: Annotated[
        str | None,
        says("How the answer is written; without it as the Accept header says", "csv", enum=["json", "csv", "ndjson"]),
    ] = None
    table: Annotated[str, says("What the lines of a csv or ndjson are", "series", enum=["groups", "series"])] = "groups"


class FailuresQuery(msgspec.Struct):
    """Of `/api/tasks/analytics/failures`. Filters repeat, or hold several values between commas; all go together."""

    window: Annotated[str, says("How much time, up to 90d", "24h", pattern="^[1-9][0-9]{0,6}[smhdw]$")] = "24h"
    until: Annotated[Moment | None, says("When the window ends; without it now", "2026-03-01T09:30:00Z")] = None
    kind: Annotated[Values | None, says("Kinds, any of which; `*` stands for any text", ["vod"])] = None
    name: Annotated[Values | None, says("Names, any of which; `*` stands for any text", ["archive.*"])] = None
    queue: Annotated[Values | None, says("Queues, any of which; `*` stands for any text", ["vod"])] = None
    worker: Annotated[Values | None, says("Workers, any of which; `*` stands for any text", ["celery@encoder-1"])] = None
    source: Annotated[Values | None, says("Sources, any of which", ["archivist"])] = None
    groups: Annotated[int, msgspec.Meta(ge=1, le=500), says("How many of the most frequent are listed", 50)] = 50
    format: Annotated[
        str | None,
        says("How the answer is written; without it as the Accept header says", "csv", enum=["json", "csv", "ndjson"]),
    ] = None
