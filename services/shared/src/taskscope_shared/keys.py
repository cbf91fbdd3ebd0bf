"""Every Redis key, stream and channel, and how long it lives.

All keys of a source carry its name as a hash tag, so that one flush stays in one slot of a Redis Cluster, and all of them
expire when nobody refreshes them. `docs/architecture.md` has the same as a table.
"""

import msgspec

KEY_TTL_SECONDS = 8 * 24 * 3600
"""State of a source that no collector refreshes any more: one day more than finished tasks are kept."""
ROLLUP_SECONDS = {60: 6 * 3600, 300: 48 * 3600, 3600: 90 * 24 * 3600, 86_400: 90 * 24 * 3600}
"""Resolution of a rollup -> how long it is kept."""
TOKEN_USES_SECONDS = 400 * 24 * 3600
"""When tokens were used last, after the last use of any: longer than a token lives that is used once a year."""


class Keys(msgspec.Struct, frozen=True):
    """The keys of an installation whose keys begin with `prefix`."""

    prefix: str = "taskscope"

    @property
    def sources(self) -> str:
        """Sorted set: source name, scored by when its collector last refreshed it."""
        return f"{self.prefix}:sources"

    def _of(self, source: str, what: str) -> str:
        return f"{self.prefix}:{{{source}}}:{what}"

    def lease(self, source: str) -> str:
        """String: `epoch:holder`; lives for the lease's time alone."""
        return self._of(source, "lease")

    def meta(self, source: str) -> str:
        """Hash: incarnation, head (`epoch-seq`), complete (1 once the state is whole), epoch (last given), released (the last
        epoch whose holder gave its lease up), log_bytes, rolled:*, corrected, corrected:86400, watched.

        `rolled:<resolution>` is the epoch second up to which the finer rollups are compacted into that resolution;
        `corrected` says which closed periods were written again, and `corrected:86400` what of it days know (`corrected.py`);
        `watched` when collectors watched (`watched.py`).
        """
        return self._of(source, "meta")

    def tasks(self, source: str) -> str:
        """Hash: task id -> encoded `Task`."""
        return self._of(source, "tasks")

    def workers(self, source: str) -> str:
        """Hash: worker name -> encoded `Worker`."""
        return self._of(source, "workers")

    def queues(self, source: str) -> str:
        """Hash: queue name -> encoded `Queue`."""
        return self._of(source, "queues")

    def health(self, source: str) -> str:
        """String: encoded `Source`."""
        return self._of(source, "health")

    def log(self, source: str) -> str:
        """Stream: one entry a flush, ids `epoch-seq`, field `d` an encoded `Entry`. Bounded in bytes and time."""
        return self._of(source, "log")

    def channel(self, source: str, database: int = 0) -> str:
        """Pub/sub: the log's entries as they are written, and a `Head` each second.

        The server's channels are of no database: with the number in its name, installations in two of them do not meet.
        """
        return self._of(source, f"live:{database}" if database else "live")

    def rollup(self, source: str, resolution: int, start: int) -> str:
        """Hash: `<marginal>:<label>` -> encoded `Cell` of the bucket that starts at `start`."""
        return self._of(source, f"rollup:{resolution}:{start}")

    def stop_mark(self, source: str) -> str:
        """String: set by `taskscope events off`; collectors then leave the workers' events alone."""
        return self._of(source, "events-off")

    def asks(self, source: str) -> str:
        """Stream: what the api asks the source's collector, field `d` an encoded `requests.Ask`. Lives for a minute."""
        return self._of(source, "asks")

    def answers(self, asker: str) -> str:
        """List: encoded `requests.Answer`s for one api process. Lives for seconds; of no source: one wait for all."""
        return f"{self.prefix}:answers:{asker}"

    @property
    def token_uses(self) -> str:
        """Hash: token id -> epoch seconds of its last use, at most a minute late; of tokens that there are."""
        return f"{self.prefix}:tokens:used"

    def replica(self, replica: str) -> str:
        """String: the URL at which other api processes reach the one of that id. Lives while it is refreshed."""
        return f"{self.prefix}:replicas:{replica}"

    @property
    def replicas_secret(self) -> str:
        """String: by which api processes know each other's requests; random, made by the first of them."""
        return f"{self.prefix}:replicas-secret"
