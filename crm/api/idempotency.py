"""Idempotency keys: a POST that is sent twice is done once.

The key is claimed and committed first, so that a second request with it is turned away while
the first runs. The answer is then written in the very transaction that does the thing: whoever
crashes in between has done nothing and said nothing, and may try again once the claim's lease
has run out. Only answers of things that were done are kept; a refused request changes nothing,
so it is simply judged again.
"""

import hashlib
from collections.abc import Callable, Collection
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.models import Staff
from crm.api.problems import Problem
from crm.models import SavedAnswer

KEPT_FOR = timedelta(hours=24)
LEASE = timedelta(minutes=2)
"""Longer than any request may run."""

LONGEST_KEY = 255

_CLAIM = """
INSERT INTO crm_savedanswer AS saved
    (staff_id, key, fingerprint, claim, lease_until, status, body, expires_at)
VALUES (%(staff)s, %(key)s, %(fingerprint)s, %(claim)s, %(lease)s, NULL, '', %(expires)s)
ON CONFLICT (staff_id, key) DO UPDATE
SET fingerprint = excluded.fingerprint, claim = excluded.claim, status = NULL, body = '',
    lease_until = excluded.lease_until, expires_at = excluded.expires_at
WHERE saved.expires_at <= %(now)s
   OR (saved.status IS NULL AND saved.lease_until <= %(now)s)
"""

_FORGET = """
DELETE FROM crm_savedanswer WHERE id IN (
    SELECT id FROM crm_savedanswer WHERE expires_at <= %s LIMIT 100 FOR UPDATE SKIP LOCKED
)
"""


def answer_once(
    request: Request,
    staff: Staff,
    act: Callable[[], Response],
    *,
    now: datetime,
    outside: bool,
    unsaved: Collection[str] = (),
) -> HttpResponse | Response:
    """Return what ``act`` answers, or what it answered to the same request before.

    Of a repeated answer the fields in ``unsaved`` are missing: they are secret and never stored.
    ``act`` runs in one transaction, unless it is ``outside``: then it calls an outside system,
    which no transaction may wait for, and its answer is saved after it. Raises ``Problem`` 409
    while another request with this key runs, 422 if the key was used for another request.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        with nullcontext() if outside else transaction.atomic():
            return act()
    _check_key(key)
    fingerprint = _fingerprint(request)
    claim = _claim(staff, key, fingerprint, now)
    if claim is None:
        return _answer_again(staff, key, fingerprint)
    claimed = SavedAnswer.objects.filter(staff=staff, key=key, claim=claim, status=None)
    try:
        with nullcontext() if outside else transaction.atomic():
            response = act()
            _save(claimed, response, unsaved)
    except BaseException:
        claimed.delete()
        raise
    return response


def forget_answers(*, now: datetime) -> int:
    """Remove some answers older than a day, and return how many; every claim does a little of it."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [now])
        return int(cursor.rowcount)


def _check_key(key: str) -> None:
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Problem(400, _("An idempotency key is 1 to 255 printable ASCII characters."))


def _fingerprint(request: Request) -> str:
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    digest.update(request._request.body)
    return digest.hexdigest()


def _claim(staff: Staff, key: str, fingerprint: str, now: datetime) -> UUID | None:
    forget_answers(now=now)
    claim = uuid4()
    values: dict[str, Any] = {
        "staff": staff.pk,
        "key": key,
        "fingerprint": fingerprint,
        "claim": claim,
        "lease": now + LEASE,
        "expires": now + KEPT_FOR,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        return claim if cursor.rowcount else None


def _answer_again(staff: Staff, key: str, fingerprint: str) -> HttpResponse:
    saved = SavedAnswer.objects.filter(staff=staff, key=key).first()
    if saved is not None and saved.fingerprint != fingerprint:
        raise Problem(422, _("This idempotency key was used for another request."))
    if saved is None or saved.status is None:
        detail = _("A request with this idempotency key is still running.")
        raise Problem(409, detail, kind="still-running")
    return HttpResponse(
        saved.body,
        status=saved.status,
        content_type="application/json",
        headers={"Idempotent-Replayed": "true"},
    )


def _save(claimed: QuerySet[SavedAnswer], response: Response, unsaved: Collection[str]) -> None:
    data = response.data
    if unsaved:
        data = {name: value for name, value in data.items() if name not in unsaved}
    body = JSONRenderer().render(data).decode()
    if not claimed.update(status=response.status_code, body=body):
        raise Problem(409, _("A request with this idempotency key is still running."))
