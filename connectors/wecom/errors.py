"""What a failed call means for whoever made it.

No exception here carries the access token, a secret or the address that was called, neither in
its text nor in a chained exception.
"""

from typing import Any

from connectors.wecom.error_table import ERRORS, UNKNOWN, ErrorKind

NO_ANSWER = 0
"""The ``errcode`` of failures that WeCom did not answer with one."""


class WeComError(Exception):
    """A call to WeCom failed; the subclass says what that asks of the caller.

    ``text`` is for people: English, and marked for translation. ``detail`` is for whoever runs
    the server, ``path`` is the endpoint.
    """

    def __init__(self, errcode: int, text: str = "", *, path: str = "", detail: str = "") -> None:
        self.errcode = errcode
        self.text = text or describe(errcode)
        self.path = path
        self.detail = detail
        super().__init__(self.text)

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        detail = f" [{self.detail}]" if self.detail else ""
        code = f" ({self.errcode})" if self.errcode else ""
        return f"{path}{self.text}{detail}{code}"


class Busy(WeComError):
    """Try again after ``retry_after`` seconds.

    ``surely_nothing_done`` is false only for WeCom's "system busy" (-1) answer to a call that is
    not idempotent: the documentation advises to repeat such a call, yet promises nowhere that it
    had no effect. Whoever must not act twice treats it like ``Unclear``.

    ``scope`` is what has to wait: the one ``call``, the ``endpoint``, or the whole ``company``.
    """

    def __init__(
        self,
        errcode: int,
        text: str = "",
        *,
        path: str = "",
        detail: str = "",
        retry_after: float,
        scope: str = "call",
        surely_nothing_done: bool = True,
    ) -> None:
        super().__init__(errcode, text, path=path, detail=detail)
        self.retry_after = retry_after
        self.scope = scope
        self.surely_nothing_done = surely_nothing_done


class ConfigProblem(WeComError):
    """Nothing was done, and nothing will be until a person mends the connection.

    ``retry_after`` is when it is worth looking whether that has happened, in seconds.
    """

    retry_after: float = 300


class Refused(WeComError):
    """WeCom understood and will not do it; nothing was done.

    ``kind`` says what is wrong, ``answer`` is the whole answer.
    """

    def __init__(
        self, errcode: int, text: str = "", *, path: str = "", answer: dict[str, Any] | None = None
    ) -> None:
        super().__init__(errcode, text, path=path)
        self.kind = kind_of(errcode)
        self.answer = answer or {}


class Unclear(WeComError):
    """The call was made and its answer was lost: it may or may not have been carried out."""


def describe(errcode: int) -> str:
    """Return the English text for an error code, marked for translation."""
    return ERRORS[errcode][1] if errcode in ERRORS else UNKNOWN


def kind_of(errcode: int) -> ErrorKind:
    """Return what kind of failure an error code is; ``OTHER`` when we do not know it."""
    return ERRORS[errcode][0] if errcode in ERRORS else ErrorKind.OTHER
