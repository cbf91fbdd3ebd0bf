"""Something was said of who asks, and it is wrong."""

from http import HTTPStatus


class RefusedError(Exception):
    """`kind` ends the problem's type, `detail` is what the caller is told, `credential` is the id of what was used: no secret.

    `counts`: it is throttled, since somebody may be guessing. With 403 it is known who asks, and they have no right at all.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        credential: str | None = None,
        status: HTTPStatus = HTTPStatus.UNAUTHORIZED,
        counts: bool = True,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.credential = credential
        self.status = status
        self.counts = counts
