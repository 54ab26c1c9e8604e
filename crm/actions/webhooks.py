"""What administrators do with webhooks."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from connectors.webhook.addresses import Forbidden, read_url
from connectors.webhook.signing import make_secret
from contacts.actions.history import record
from contacts.actions.notices import notify
from contacts.doorbell import ring
from contacts.enums import NoticeKind, Role, Scope, StaffState
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import Staff
from crm import tasks
from crm.actions.webhook_collecting import (
    oldest_transaction,
    pass_over_what_came_from_elsewhere,
)
from crm.enums import UNDER_WAY, EventState, WebhookPause, WebhookState
from crm.models import Webhook, WebhookEvent
from crm.models.webhooks import EVERYTHING
from crm.sealing import seal
from crm.webhook_events import EVENTS, TEST

OLD_SECRET_HOLDS = timedelta(hours=24)
MOST_WEBHOOKS = 50


def create_webhook(
    url: str, events: Sequence[str], *, actor: Staff | None, now: datetime
) -> tuple[Webhook, str]:
    """Tell this address of these events from now on; returns the webhook and its secret.

    The secret is shown this once. Raises ``RuleBroken`` for an address that is never called or
    has a webhook already, unknown events, or too many webhooks.
    """
    if Webhook.objects.exclude(state=WebhookState.REMOVED).count() >= MOST_WEBHOOKS:
        raise RuleBroken(_("There are enough webhooks. Remove one first."))
    secret = make_secret()
    webhook = Webhook(
        created_by=actor,
        url=_checked(url),
        events=_known(events),
        secret=seal(secret),
        created_at=now,
        state_at=now,
    )
    with transaction.atomic():
        webhook.from_xact = oldest_transaction()
        pass_over_what_came_from_elsewhere()
        _save(webhook)
        record(webhook, "webhook.created", actor=actor, at=now, data={"events": webhook.events})
    return webhook, secret


def change_webhook(
    webhook: Webhook, url: str, events: Sequence[str], *, actor: Staff | None, now: datetime
) -> None:
    """Call another address, or tell of other events from now on. Raises as ``create_webhook``."""
    with transaction.atomic():
        locked = _locked(webhook)
        locked.url, locked.events = _checked(url), _known(events)
        _save(locked)
        record(locked, "webhook.changed", actor=actor, at=now, data={"events": locked.events})
    webhook.refresh_from_db()


def pause_webhook(webhook: Webhook, *, actor: Staff | None, now: datetime) -> None:
    """Send nothing for now; what happens is kept for a week. Raises ``MovedOn`` if it is so."""
    if not _pause(webhook, WebhookPause.BY_HAND, actor=actor, now=now):
        raise MovedOn(_("This webhook has been paused or removed already."))


def pause_by_itself(webhook: Webhook, reason: WebhookPause, *, now: datetime) -> None:
    """Send nothing to a receiver that does not work, and tell who can mend it."""
    with transaction.atomic():
        if _pause(webhook, reason, actor=None, now=now):
            notify(
                _responsible(webhook),
                NoticeKind.UNUSUAL,
                key=f"webhook:{webhook.pk}:{now:%Y-%m-%dT%H:%M}",
                now=now,
                data={"what": "webhook", "webhook": webhook.pk, "host": host_of(webhook)},
            )


def resume_webhook(webhook: Webhook, *, actor: Staff | None, now: datetime) -> None:
    """Send again, beginning with what has waited. Raises ``MovedOn`` if it is not paused."""
    with transaction.atomic():
        resumed = Webhook.objects.filter(pk=webhook.pk, state=WebhookState.PAUSED).update(
            state=WebhookState.ACTIVE,
            reason=WebhookPause.NONE,
            state_at=now,
            failures=0,
            failing_since=None,
            rest_until=None,
        )
        if not resumed:
            raise MovedOn(_("This webhook is not paused any more."))
        record(webhook, "webhook.resumed", actor=actor, at=now)
        ring(tasks.call_webhook, webhook.pk)
    webhook.refresh_from_db()


def remove_webhook(webhook: Webhook, *, actor: Staff | None, now: datetime) -> None:
    """End a webhook for good: its secret is forgotten, what waits is dropped."""
    with transaction.atomic():
        locked = _locked(webhook)
        locked.deliveries.filter(state__in=UNDER_WAY).update(
            state=EventState.DROPPED, state_at=now, next_attempt_at=None
        )
        Webhook.objects.filter(pk=locked.pk).update(
            state=WebhookState.REMOVED,
            reason=WebhookPause.NONE,
            state_at=now,
            secret="",
            old_secret="",
            old_secret_until=None,
            turn_token=None,
            turn_until=None,
        )
        record(webhook, "webhook.removed", actor=actor, at=now)
    webhook.refresh_from_db()


def rotate_secret(
    webhook: Webhook, *, at_once: bool = False, actor: Staff | None, now: datetime
) -> str:
    """Make a new secret and return it, this once; the old one holds for 24 hours beside it.

    With ``at_once`` whatever was valid before ends now. Raises ``RuleBroken`` while the one
    before is still valid.
    """
    secret = make_secret()
    with transaction.atomic():
        locked = _locked(webhook)
        if not at_once and locked.old_secret_until and locked.old_secret_until > now:
            raise RuleBroken(
                _("The secret before this one still holds. Wait for it, or end both at once.")
            )
        locked.old_secret = "" if at_once else locked.secret
        locked.old_secret_until = None if at_once else now + OLD_SECRET_HOLDS
        locked.secret = seal(secret)
        locked.save(update_fields=["secret", "old_secret", "old_secret_until"])
        record(locked, "webhook.secret_rotated", actor=actor, at=now, data={"at_once": at_once})
    webhook.refresh_from_db()
    return secret


def send_test(webhook: Webhook, *, now: datetime) -> WebhookEvent:
    """Send an event that means nothing. Raises ``RuleBroken`` if the webhook is paused."""
    with transaction.atomic():
        if _locked(webhook).state != WebhookState.ACTIVE:
            raise RuleBroken(_("This webhook is paused. Resume it first."))
        Webhook.objects.filter(pk=webhook.pk).update(rest_until=None)
        event = webhook.deliveries.create(
            type=TEST, data={"webhook": webhook.pk}, at=now, state_at=now, next_attempt_at=now
        )
        ring(tasks.call_webhook, webhook.pk)
    return event


def replay_events(
    webhook: Webhook, events: QuerySet[WebhookEvent], *, actor: Staff | None, now: datetime
) -> int:
    """Send these events once more, under their ids; returns how many those are.

    Raises ``RuleBroken`` if none of them is over.
    """
    with transaction.atomic():
        _locked(webhook)
        again = (
            events.filter(webhook=webhook)
            .exclude(state__in=UNDER_WAY)
            .update(state=EventState.WAITING, state_at=now, next_attempt_at=now, attempts=0)
        )
        if not again:
            raise RuleBroken(_("None of these events can be sent again."))
        record(webhook, "webhook.replayed", actor=actor, at=now, data={"events": again})
        ring(tasks.call_webhook, webhook.pk)
    return again


def failed_since(webhook: Webhook, since: datetime) -> QuerySet[WebhookEvent]:
    """Return what failed, or was dropped, from this moment on."""
    lost = (EventState.FAILED, EventState.DROPPED)
    return webhook.deliveries.filter(state__in=lost, state_at__gte=since)


def host_of(webhook: Webhook) -> str:
    """Name the receiver, without what may be secret in the address."""
    return urlsplit(webhook.url).hostname or ""


def _pause(webhook: Webhook, reason: WebhookPause, *, actor: Staff | None, now: datetime) -> bool:
    with transaction.atomic():
        paused = Webhook.objects.filter(pk=webhook.pk, state=WebhookState.ACTIVE).update(
            state=WebhookState.PAUSED,
            reason=reason,
            state_at=now,
            turn_token=None,
            turn_until=None,
        )
        if paused:
            data = {"reason": reason.value}
            record(webhook, "webhook.paused", actor=actor, at=now, data=data)
    webhook.refresh_from_db()
    return bool(paused)


def _responsible(webhook: Webhook) -> Iterable[int]:
    """Return the administrators of the whole company: whoever made it may have left."""
    return Staff.objects.filter(
        state__in=[StaffState.ACTIVE, StaffState.LEAVING],
        roles__role=Role.ADMINISTRATOR,
        roles__scope=Scope.COMPANY,
    ).values_list("pk", flat=True)


def _locked(webhook: Webhook) -> Webhook:
    """Lock the row; raises ``MovedOn`` if it has been removed."""
    locked = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
    if locked.state == WebhookState.REMOVED:
        raise MovedOn(_("This webhook has been removed."))
    return locked


def _checked(url: str) -> str:
    try:
        read_url(url, allow_loopback=settings.LOCAL)
    except Forbidden as error:
        raise RuleBroken(_(str(error))) from error
    return url


def _known(events: Collection[str]) -> list[str]:
    if EVERYTHING in events:
        return [EVERYTHING]
    if not events:
        raise RuleBroken(_("Choose at least one event."))
    if unknown := sorted(set(events) - EVENTS.keys()):
        raise RuleBroken(_("There is no event %(name)s.") % {"name": unknown[0]})
    return [name for name in EVENTS if name in events]


def _save(webhook: Webhook) -> None:
    try:
        with transaction.atomic():
            webhook.save()
    except IntegrityError as error:
        if broken_constraint(error) != "webhook_url_once":
            raise
        raise RuleBroken(_("There is a webhook for this address already.")) from error
