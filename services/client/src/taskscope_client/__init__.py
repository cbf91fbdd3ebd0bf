"""A typed client for the api of Taskscope: `Client` and `AsyncClient`."""

from taskscope_client.analytics import Analytics, Failures
from taskscope_client.answers import Facets, Health, Page, Realtime
from taskscope_client.async_client import AsyncClient
from taskscope_client.async_stream import AsyncStream
from taskscope_client.client import Client
from taskscope_client.errors import Problem, TaskscopeError, UnreachableError
from taskscope_client.replica import Replica
from taskscope_client.rows import Kind, Queue, Source, Summary, Task, TaskDetail, Worker, WorkerDetail
from taskscope_client.stream import Stream
from taskscope_client.updates import Delta, Snapshot, Update

__all__ = [
    "Client",
    "AsyncClient",
    "Stream",
    "AsyncStream",
    "Replica",
    "Snapshot",
    "Delta",
    "Update",
    "Task",
    "TaskDetail",
    "Worker",
    "WorkerDetail",
    "Queue",
    "Source",
    "Kind",
    "Summary",
    "Page",
    "Facets",
    "Realtime",
    "Analytics",
    "Failures",
    "Health",
    "TaskscopeError",
    "UnreachableError",
    "Problem",
]
