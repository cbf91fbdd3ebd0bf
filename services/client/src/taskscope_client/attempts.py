"""One request's attempts, without a connection: whether to try again, where, and after how long. Both clients use it."""

from http import HTTPStatus

import httpx

from taskscope_client.access import Access, Options
from taskscope_client.backoff import Backoff
from taskscope_client.errors import UnreachableError, error_of

TRIED_AGAIN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
"""What may be answered well a little later. A read changes nothing, so it may be sent again."""


class Attempts:
    """`failed` and `answered` say how long to wait before the next attempt, and raise when there is none."""

    def __init__(self, access: Access, options: Options) -> None:
        self._access = access
        self._left = options.retries
        self._elsewhere = access.count - 1
        self._backoff = Backoff(options.most_wait_seconds)

    def failed(self, url: str, error: httpx.TransportError) -> float:
        """No answer came from `url`: another base URL is tried at once. Raises `UnreachableError`."""
        self._access.turn_from(url)
        if self._elsewhere > 0:
            self._elsewhere -= 1
            return 0.0
        if self._left <= 0:
            raise UnreachableError(f"{url} does not answer: {str(error) or type(error).__name__}") from error
        self._left -= 1
        return self._backoff.pause()

    def answered(self, response: httpx.Response) -> float | None:
        """None: it is a good answer. Raises `TaskscopeError`."""
        if response.is_success:
            return None
        error = error_of(response.status_code, response.headers, response.content)
        if response.status_code not in TRIED_AGAIN or self._left <= 0:
            raise error
        self._left -= 1
        return self._backoff.pause(error.retry_after_seconds)
