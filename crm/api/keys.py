"""API keys: how a program shows for whom it acts, and how far its key reaches."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from contacts.enums import StaffState
from contacts.errors import RuleBroken
from contacts.models import ApiKey, Staff, User

if TYPE_CHECKING:  # Django REST framework loads this module while it loads its own views
    from rest_framework.views import APIView

PREFIX_LENGTH = 8
USED_EVERY = timedelta(minutes=1)
"""How exactly ``last_used_at`` is kept: a write per minute, not per request."""

RESOURCES = frozenset(
    "stores staff customers identities tag-groups tags follows interactions tasks orders coupons handovers"
    " contact-codes imports quick-replies contents segments campaigns series posts batches deliveries"
    " reconciliations findings losses pool group-chats notices webhooks history".split()
)
SCOPES = frozenset(f"{resource}:{verb}" for resource in RESOURCES for verb in ("read", "write"))


def digest_of(key: bytes) -> str:
    """Return what is stored of a key. It holds 256 random bits, so one plain hash is enough."""
    return hashlib.sha256(key).hexdigest()


def issue_key(
    staff: Staff,
    *,
    name: str,
    scopes: Sequence[str] = (),
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key that acts for the staff member; returns its row and the key, shown only now.

    Without scopes the key may do everything its staff member may. Raises ``RuleBroken`` for an
    unknown scope, or somebody who cannot sign in.
    """
    if unknown := sorted(set(scopes) - SCOPES):
        raise RuleBroken(
            _("Unknown scope %(scope)s. A scope is a resource and read or write: customers:read.")
            % {"scope": unknown[0]}
        )
    if staff.user is None or staff.state in {StaffState.DEPARTED, StaffState.SUSPENDED}:
        raise RuleBroken(_("%(name)s has no account that could use a key.") % {"name": staff.name})
    key = f"lk_{secrets.token_hex(PREFIX_LENGTH // 2)}_{secrets.token_urlsafe(32)}"
    row = ApiKey.objects.create(
        staff=staff,
        name=name,
        prefix=key[: len("lk_") + PREFIX_LENGTH],
        digest=digest_of(key.encode()),
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=expires_at,
    )
    return row, key


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer <key>``; the request then acts for the key's staff member."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """Return account and key; raises ``AuthenticationFailed`` for a key that opens nothing."""
        scheme, _blank, key = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        row = (
            ApiKey.objects.select_related("staff__user")
            .filter(digest=digest_of(key.strip()))
            .first()
        )
        now = timezone.now()
        if row is None or row.staff.user is None or not self._is_good(row, now):
            raise AuthenticationFailed(_("This API key is unknown, expired or revoked."))
        if row.last_used_at is None or row.last_used_at <= now - USED_EVERY:
            ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)
        return row.staff.user, row

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that makes a refusal a 401."""
        return 'Bearer realm="api"'

    @staticmethod
    def _is_good(row: ApiKey, now: datetime) -> bool:
        at_work = row.staff.state not in {StaffState.DEPARTED, StaffState.SUSPENDED}
        alive = row.revoked_at is None and (row.expires_at is None or row.expires_at > now)
        return bool(alive and at_work and row.staff.user and row.staff.user.is_active)


class KeyAllows(BasePermission):
    """A key with scopes opens only what they name; a session is bound by the person's role alone."""

    message: ClassVar = gettext_lazy("This API key has no scope for this.")

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Whether the key's scopes cover the view's resource, for reading or for writing."""
        key = request.auth
        if not isinstance(key, ApiKey) or not key.scopes:
            return True
        verb = "read" if request.method in SAFE_METHODS else "write"
        return f"{getattr(view, 'resource', '')}:{verb}" in key.scopes
