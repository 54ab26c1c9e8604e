"""Greeting new contacts: one welcome code, used at most once, within its 20 seconds.

A code is claimed before it is used, and never used after its deadline. WeCom takes a code once
and answers 41051 from then on, so an attempt whose answer was lost may be repeated: 41051 then
says that the first one arrived (WeCom docs 92137).
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, F, IntegerField, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_noop

from campaigns.actions.media import Needed, forget_references, references_of
from campaigns.attachments import Attachment, needed_in_channel, with_references
from campaigns.enums import LeftOut, WelcomeState
from campaigns.models import Welcome, WelcomeRule
from campaigns.placeholders import fill
from campaigns.tasks import send_welcome as send_welcome_task
from connectors.wecom.api.messages import WelcomeOutcome, send_welcome_msg
from connectors.wecom.client import WeComClient
from connectors.wecom.connector import NO_SUCH_MEDIA, in_wecoms_form
from connectors.wecom.errors import Busy, ConfigProblem, Refused, Unclear
from contacts.doorbell import ring
from contacts.models import Company, ContactCode, Customer, Follow, Staff
from contacts.wecom import wecom

VALID_FOR = timedelta(seconds=20)
MOST_ATTEMPTS = 3
NOTHING_READY = gettext_noop("Its files were not ready at WeCom, and it has no words.")
MARGIN = timedelta(seconds=1)
"""No call is begun later than this before the deadline."""

_OUTCOMES = {
    WelcomeOutcome.SENT: WelcomeState.SENT,
    WelcomeOutcome.EXPIRED: WelcomeState.EXPIRED,
    WelcomeOutcome.SUPERSEDED: WelcomeState.SUPERSEDED,
    WelcomeOutcome.OTHER_APP: WelcomeState.OTHER_APP,
}


def receive_welcome(
    follow: Follow,
    code: str,
    *,
    contact_code: ContactCode | None,
    issued_at: datetime,
    now: datetime,
) -> Welcome:
    """Store a welcome code and have it used; a repeated code returns its first row unchanged."""
    rule = rule_for(follow.staff, contact_code)
    state = WelcomeState.PENDING if rule else WelcomeState.NO_RULE
    text = fill(rule.content.text, _values(follow.staff, follow.customer)) if rule else ""
    with transaction.atomic():
        welcome, created = Welcome.objects.get_or_create(
            code_digest=hashlib.sha256(code.encode()).hexdigest(),
            defaults={
                "staff": follow.staff,
                "customer": follow.customer,
                "contact_code": contact_code,
                "code": code if rule else "",
                "text": text,
                "attachments": rule.content.attachments if rule else [],
                "state": state,
                "issued_at": issued_at,
                "received_at": now,
                "deadline_at": issued_at + VALID_FOR,
                "settled_at": None if rule else now,
            },
        )
        if created and rule:
            ring(send_welcome_task, welcome.pk)
    return welcome


def rule_for(staff: Staff, contact_code: ContactCode | None) -> WelcomeRule | None:
    """Return the narrowest rule: of the code, the staff member, the store, the company."""
    code_id = contact_code.pk if contact_code else None
    levels = Case(
        When(contact_code__isnull=False, then=Value(1)),
        When(staff__isnull=False, then=Value(2)),
        When(store__isnull=False, then=Value(3)),
        default=Value(4),
        output_field=IntegerField(),
    )
    company_wide = Q(contact_code=None, staff=None, store=None)
    fitting = company_wide | Q(staff=staff.pk)
    if code_id:
        fitting |= Q(contact_code=code_id)
    if staff.store_id:
        fitting |= Q(store=staff.store_id)
    return WelcomeRule.objects.select_related("content").filter(fitting).order_by(levels).first()


def _values(staff: Staff, customer: Customer) -> dict[str, str]:
    company = Company.objects.first()
    return {
        "customer": customer.name,
        "guide": staff.name,
        "store": staff.store.name if staff.store else "",
        "company": company.short_name if company else "",
    }


def send_welcome(welcome_id: int, *, now: datetime) -> bool:
    """Use a pending code; returns whether this worker was the one to use it.

    Nothing else is done on the way: no synchronisation, no upload. Files that are not ready at the
    channel, or that it has forgotten, are left out rather than waited for.
    """
    claimed = Welcome.objects.filter(
        pk=welcome_id, state=WelcomeState.PENDING, deadline_at__gt=now + MARGIN
    ).update(state=WelcomeState.SENDING, attempts=F("attempts") + 1)
    if not claimed:
        return False
    welcome = Welcome.objects.get(pk=welcome_id)
    client = wecom()
    if client is None:
        _settle(welcome, WelcomeState.FAILED, now=now, error="WeCom is not set up")
        return True
    try:
        outcome = _say(client, welcome, now=now)
    except (Busy, Unclear) as failure:
        _try_again(welcome, failure, now=timezone.now())
    except (ConfigProblem, Refused, ValueError) as error:
        _settle(welcome, WelcomeState.FAILED, now=now, error=str(error))
    else:
        arrived_before = outcome is WelcomeOutcome.SUPERSEDED and welcome.error
        _settle(welcome, WelcomeState.SENT if arrived_before else _OUTCOMES[outcome], now=now)
    return True


def _say(client: WeComClient, welcome: Welcome, *, now: datetime) -> WelcomeOutcome:
    """Greet with what is ready; without the files, at once, if WeCom has forgotten one of them.

    It does not say which one, so all are brought anew. Raises what the call raises.
    """
    needed = needed_in_channel(welcome.attachments)
    names = references_of(needed, now=now)
    try:
        return _greet(client, welcome, names, why=LeftOut.NOT_READY)
    except Refused as refused:
        in_time = timezone.now() < welcome.deadline_at - MARGIN
        if refused.errcode != NO_SUCH_MEDIA or not names or not in_time:
            raise
    if forget_references(names.values(), now=now):
        WelcomeRule.objects.exclude(files_due_at=None).update(files_due_at=now)
    return _greet(client, welcome, {}, why=LeftOut.FORGOTTEN)


def _greet(
    client: WeComClient, welcome: Welcome, names: Mapping[Needed, str], *, why: LeftOut
) -> WelcomeOutcome:
    ready = [item for item in welcome.attachments if _is_ready(item, names)]
    if not ready and not welcome.text:
        raise ValueError(NOTHING_READY)
    left_out = len(welcome.attachments) - len(ready)
    if left_out != welcome.left_out:
        reason = why if left_out else ""
        Welcome.objects.filter(pk=welcome.pk).update(left_out=left_out, left_out_why=reason)
        welcome.left_out = left_out
    return send_welcome_msg(
        client,
        welcome.code,
        text=welcome.text,
        attachments=[in_wecoms_form(item) for item in with_references(ready, names)],
    )


def _is_ready(item: Attachment, names: Mapping[Needed, str]) -> bool:
    """Whether WeCom has what this needs; it takes links as they are, and files by its own name."""
    needed = needed_in_channel([item])
    return needed <= names.keys() if needed else item["kind"] == "link"


def _try_again(welcome: Welcome, failure: Busy | Unclear, *, now: datetime) -> None:
    """Put the code back while there is time; ``error`` keeps that an answer may have been lost."""
    harmless = isinstance(failure, Busy) and failure.surely_nothing_done
    wait = failure.retry_after if isinstance(failure, Busy) else 0
    in_time = now + timedelta(seconds=wait) < welcome.deadline_at - MARGIN
    if in_time and (harmless or welcome.attempts < MOST_ATTEMPTS):
        Welcome.objects.filter(pk=welcome.pk, state=WelcomeState.SENDING).update(
            state=WelcomeState.PENDING, error=welcome.error if harmless else str(failure)[:300]
        )
        return
    unclear = welcome.error or not harmless
    state = WelcomeState.UNCLEAR if unclear else WelcomeState.FAILED
    _settle(welcome, state, now=now, error=str(failure))


def _settle(welcome: Welcome, state: WelcomeState, *, now: datetime, error: str = "") -> None:
    """Write the outcome down; the code is of no more use and is cleared."""
    Welcome.objects.filter(pk=welcome.pk, state=WelcomeState.SENDING).update(
        state=state, settled_at=now, code="", error=error[:300]
    )


def write_off_welcomes(*, now: datetime) -> int:
    """Settle the codes whose time has passed; returns how many that were.

    Those never used are expired; those whose worker died in the middle of the call are unclear.
    """
    late = Welcome.objects.filter(deadline_at__lte=now)
    expired = late.filter(state=WelcomeState.PENDING).update(
        state=WelcomeState.EXPIRED, settled_at=now, code=""
    )
    unclear = late.filter(
        state=WelcomeState.SENDING, deadline_at__lte=now - timedelta(seconds=15)
    ).update(state=WelcomeState.UNCLEAR, settled_at=now, code="")
    return expired + unclear
