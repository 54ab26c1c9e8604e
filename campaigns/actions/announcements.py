"""Telling the customers of a handover who is there for them now: once, at a good time of day."""

from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.audience import to_be_told
from campaigns.enums import CampaignState
from campaigns.models import Campaign
from contacts.actions.history import record
from contacts.enums import HandoverState, Purpose, RequestState
from contacts.models import Handover

OPENS, CLOSES = time(10), time(20)
"""Between these times of the company's clock customers may be written to unasked."""

SETTLED_AFTER = timedelta(hours=26)
"""So long after the last request everybody who was going to accept has done so."""

STALE_AFTER = timedelta(days=7)
"""News that came about so long ago is none."""

_STILL_TO_ASK = (RequestState.PREPARED, RequestState.CALLING, RequestState.UNCLEAR)


def announce_handover(handover_id: int, *, now: datetime) -> Campaign | None:
    """Let the new owners tell their customers, in the handover's words, at the next good time.

    Done once for a handover, when it is over or has had its day: whoever is accepted later is
    not told. It is a campaign like any other, so opt-outs count until the moment of the call.
    Returns ``None`` if it is not the time, there are no words, or nobody is to be told.
    """
    with transaction.atomic():
        handover = _due(now).select_for_update(of=("self",)).filter(pk=handover_id).first()
        if handover is None:
            return None
        Handover.objects.filter(pk=handover.pk).update(announced_at=now)
        if not to_be_told(handover).exists():
            return None
        send_at = good_time(now)
        campaign = Campaign.objects.create(
            handover=handover,
            name=_("Handover of %(name)s") % {"name": handover.from_staff.name},
            text=handover.customer_message,
            purpose=Purpose.SERVICE,
            state=CampaignState.SCHEDULED,
            state_at=now,
            send_at=send_at,
            created_at=now,
        )
        record(handover, "handover.announced", actor=None, at=now, data={"campaign": campaign.pk})
    return campaign


def handovers_to_announce(now: datetime) -> list[int]:
    """Handovers whose customers are to be told now."""
    return list(_due(now).order_by("pk").values_list("pk", flat=True)[:50])


def good_time(now: datetime) -> datetime:
    """Return the moment itself within the hours of ``OPENS`` and ``CLOSES``, else the next of them."""
    here = timezone.localtime(now)
    if OPENS <= here.time() < CLOSES:
        return now
    day = here.date() + timedelta(days=here.time() >= CLOSES)
    return datetime.combine(day, OPENS, tzinfo=here.tzinfo)


def _due(now: datetime) -> QuerySet[Handover]:
    """Over lately, or running, with all requests made and their day over."""
    asked = Handover.objects.filter(state=HandoverState.RUNNING).exclude(
        requests__state__in=_STILL_TO_ASK
    )
    had_their_day = asked.alias(last=Max("requests__made_at")).filter(last__lte=now - SETTLED_AFTER)
    over = Q(state=HandoverState.DONE, closed_at__gte=now - STALE_AFTER)
    waiting = Handover.objects.filter(over | Q(pk__in=had_their_day.values("pk")))
    return (
        waiting.filter(announced_at=None).exclude(customer_message="").select_related("from_staff")
    )
