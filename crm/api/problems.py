"""Errors as problem details (RFC 9457): one shape for everything that can go wrong."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from contacts.errors import MovedOn, RuleBroken

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

_TYPES = {
    400: "invalid",
    401: "not-authenticated",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "moved-on",
    413: "too-large",
    415: "unsupported-media-type",
    422: "key-used-before",
    429: "too-many-requests",
    500: "internal",
    503: "busy",
}

_TITLES = {
    400: gettext_noop("Bad request"),
    401: gettext_noop("Not signed in"),
    403: gettext_noop("Not allowed"),
    404: gettext_noop("Not found"),
    405: gettext_noop("Method not allowed"),
    406: gettext_noop("Not acceptable"),
    409: gettext_noop("Conflict"),
    413: gettext_noop("Too large"),
    415: gettext_noop("Unsupported media type"),
    422: gettext_noop("Cannot be processed"),
    429: gettext_noop("Too many requests"),
    500: gettext_noop("Internal error"),
    503: gettext_noop("Not available"),
}


class Problem(Exception):
    """An answer that says no; for what neither DRF nor an action has an exception for."""

    def __init__(self, status: int, detail: str, *, kind: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind


def problem(
    status: int,
    detail: str = "",
    *,
    kind: str = "",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Return the problem as a response; ``more`` are members beside the standard ones."""
    title = _(_TITLES.get(status) or HTTPStatus(status).phrase)
    body = {
        "type": f"urn:liuke:problem:{kind or _TYPES.get(status, 'invalid')}",
        "title": title,
        "status": status,
        "detail": detail or title,
    }
    return Response(
        body | more, status=status, headers=dict(headers or {}), content_type=CONTENT_TYPE
    )


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """Turn whatever a view raised into a problem. What is unexpected is logged, never shown."""
    set_rollback()
    if isinstance(error, exceptions.ValidationError):
        return problem(400, _("Some fields are not right."), errors=_errors(error.detail))
    if isinstance(error, exceptions.APIException):
        return _from_drf(error)
    if isinstance(error, MovedOn):
        return problem(409, str(error), **_fresh(context))
    return _from_django(error, context)


def _from_drf(error: exceptions.APIException) -> Response:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    return problem(error.status_code, str(error.detail), headers=headers)


def _from_django(error: Exception, context: Mapping[str, Any]) -> Response:
    match error:
        case Problem():
            return problem(error.status, error.detail, kind=error.kind)
        case RuleBroken():
            return problem(400, str(error), kind="rule-broken")
        case Http404():
            return problem(404, _("There is nothing here that you may see."))
        case PermissionDenied():
            return problem(403, str(error))
        case RequestDataTooBig():
            return problem(413, _("The request is too large."))
        case OperationalError():
            _log(error, context)
            return problem(503, _("The database is busy. Try again."), headers={"Retry-After": "5"})
    _log(error, context)
    return problem(500, _("Something went wrong here. It has been logged."))


def _fresh(context: Mapping[str, Any]) -> dict[str, Any]:
    """The row as it is now, so that the caller need not ask again."""
    row = getattr(context["view"], "fresh", lambda: None)()
    return {"fresh": row} if row is not None else {}


def _errors(detail: Any) -> dict[str, Any]:
    return detail if isinstance(detail, dict) else {"non_field_errors": detail}


def _log(error: Exception, context: Mapping[str, Any]) -> None:
    request: HttpRequest | None = context.get("request")
    where = f"{request.method} {request.path}" if request else ""
    logger.error("unexpected error in %s", where, exc_info=error)
