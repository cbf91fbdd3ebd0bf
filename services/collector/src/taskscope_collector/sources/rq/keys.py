"""The keys and channels of RQ under a prefix (RQ 3.0's `RQ_KEY_PREFIX`; always `rq` before)."""

REGISTRIES = ("wip", "finished", "failed", "deferred", "scheduled", "canceled", "ready")
"""The sorted sets of a queue, as RQ names them; `ready` is new in 3.0."""


class Keys:
    """Names of keys. All come from the prefix and from names that RQ itself lists: nothing is searched for."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.queues = f"{prefix}:queues"
        self.workers = f"{prefix}:workers"
        self.job_prefix = f"{prefix}:job:"
        self.worker_prefix = f"{prefix}:worker:"
        self._queue_prefix = f"{prefix}:queue:"
        self._job_bytes = self.job_prefix.encode()
        self._worker_bytes = self.worker_prefix.encode()

    def job(self, job_id: str) -> str:
        """The hash of a job."""
        return self.job_prefix + job_id

    def results(self, job_id: str) -> str:
        """The stream of a job's results."""
        return f"{self.prefix}:results:{job_id}"

    def queue(self, name: str) -> str:
        """The list of waiting ids."""
        return self._queue_prefix + name

    def queue_name(self, key: str) -> str | None:
        """The queue's name in a member of `<prefix>:queues`."""
        return key.removeprefix(self._queue_prefix) if key.startswith(self._queue_prefix) else None

    def intermediate(self, name: str) -> str:
        """The list of ids between their queue and their worker."""
        return f"{self._queue_prefix}{name}:intermediate"

    def registry(self, registry: str, queue: str) -> str:
        """A sorted set of a queue."""
        return f"{self.prefix}:{registry}:{queue}"

    def worker(self, name: str) -> str:
        """The hash of a worker."""
        return self.worker_prefix + name

    def worker_name(self, key: str) -> str:
        """The worker's name in a member of `<prefix>:workers`."""
        return key.removeprefix(self.worker_prefix)

    def executions(self, worker: str) -> str:
        """The set of `<job>:<execution>` that a worker runs (3.0)."""
        return f"{self.worker_prefix}{worker}:executions"

    def executions_of(self, job_id: str) -> str:
        """The sorted set of a job's executions (2.0 and newer), by expiry."""
        return f"{self.prefix}:executions:{job_id}"

    def channel(self, worker: str) -> str:
        """The channel on which a worker takes commands."""
        return f"{self.prefix}:pubsub:{worker}"

    def scheduler_lock(self, queue: str) -> str:
        """Who schedules for a queue: the name of a scheduler's hash, or a pid before 2.10."""
        return f"{self.prefix}:scheduler-lock:{queue}"

    def scheduler(self, name: str) -> str:
        """The hash of a scheduler (2.10 and newer)."""
        return f"{self.prefix}:scheduler:{name}"

    def job_of(self, key: bytes) -> str | None:
        """The job whose hash `key` is; None for its sets of dependents and dependencies and for anything else."""
        if not key.startswith(self._job_bytes):
            return None
        job_id = key[len(self._job_bytes) :]
        if job_id.startswith(b":") or job_id.endswith(b":dependents"):
            return None
        return job_id.decode("utf-8", "replace") or None

    def worker_of(self, key: bytes) -> str | None:
        """The worker whose hash or set of executions `key` is."""
        if not key.startswith(self._worker_bytes):
            return None
        return key[len(self._worker_bytes) :].removesuffix(b":executions").decode("utf-8", "replace") or None


def split_execution(member: str) -> tuple[str, str | None]:
    """The job and execution of a member of `wip` or of a worker's executions; RQ 1 has no executions, and ids may hold `:`."""
    job_id, colon, execution = member.rpartition(":")
    if colon and len(execution) == 32 and all(digit in "0123456789abcdef" for digit in execution):
        return job_id, execution
    return member, None
