"""Somebody leaves the company: what every app has to do for it, in one transaction.

``FATES`` says of every reference to a staff member what a departure does to it, so that nothing
goes on pointing at somebody who is gone; a test holds it against the models.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.actions.codes import leave_duty
from campaigns.actions.leavers import hand_on_campaigns, stop_sends
from contacts.actions.departures import depart_staff
from contacts.actions.notices import notify
from contacts.actions.staff import keep_an_administrator
from contacts.actions.tasks import add_task
from contacts.enums import NoticeKind, Role, StaffState, TaskKind
from contacts.managers import managers_of
from contacts.models import ContactCode, Handover, Staff, Store

_WITH_A_LAST_DAY = (StaffState.LEAVING, StaffState.SUSPENDED)
STAYS, ENDS, HANDED_ON = "history, stays", "ends", "handed on"

FATES = {
    "contacts.Customer.owner": HANDED_ON,
    "contacts.Task.staff": HANDED_ON,
    "contacts.ContactCode.staff_on_duty": HANDED_ON,
    "campaigns.Campaign.created_by": HANDED_ON,
    "campaigns.Campaign.scheduled_by": STAYS,
    "campaigns.Campaign.approved_by": STAYS,
    "campaigns.Experiment.decided_by": STAYS,
    "campaigns.Series.created_by": HANDED_ON,
    "campaigns.QuickReply.owner": HANDED_ON,
    "campaigns.Post.created_by": HANDED_ON,
    "campaigns.CampaignDraft.staff": "unfinished words; kept for a re-hire, and nobody else sees them",
    "campaigns.SeriesDraft.staff": "unfinished words; kept for a re-hire, and nobody else sees them",
    "campaigns.Segment.created_by": HANDED_ON,
    "contacts.GroupChat.owner": HANDED_ON,
    "contacts.GroupChat.left_by": STAYS,
    "contacts.ChatItem.to_staff": "given up by the worker that would move it",
    "contacts.ApiKey.staff": ENDS,
    "contacts.RoleGrant.staff": "kept for a re-hire; opens nothing without an account",
    "campaigns.WelcomeRule.staff": "kept for a re-hire; nobody is greeted in the name of a leaver",
    "crm.SavedAnswer.staff": "expires within a day",
    "campaigns.Batch.sender": ENDS,
    "campaigns.PostShare.sender": ENDS,
    "campaigns.PostTarget.staff": ENDS,
    "contacts.HandoverItem.to_staff": "handed on, by the mover or when the customer accepts",
    "contacts.HandoverRequest.to_staff": "withdrawn by the worker that would make it",
    "contacts.Follow.staff": "ended by the handover",
    "contacts.Notice.staff": STAYS,
    "contacts.Notice.about": STAYS,
    "contacts.Task.created_by": STAYS,
    "contacts.Task.closed_by": STAYS,
    "contacts.CustomerTag.added_by": STAYS,
    "contacts.Handover.from_staff": STAYS,
    "contacts.Handover.planned_by": STAYS,
    "contacts.HandoverPlan.created_by": STAYS,
    "contacts.HistoryEntry.actor": STAYS,
    "contacts.Interaction.staff": STAYS,
    "crm.Order.staff": STAYS,
    "contacts.Coupon.given_by": STAYS,
    "contacts.OwnershipPeriod.staff": STAYS,
    "contacts.Reconciliation.asked_by": STAYS,
    "contacts.Finding.staff": STAYS,
    "contacts.Finding.settled_by": STAYS,
    "contacts.Loss.staff": STAYS,
    "contacts.Loss.owner": STAYS,
    "contacts.Merge.merged_by": STAYS,
    "contacts.Merge.undone_by": STAYS,
    "contacts.Merge.owner": "stays; a merge that is taken apart asks for the pool instead",
    "contacts.StaffFile.uploaded_by": STAYS,
    "contacts.StaffFileRow.staff": STAYS,
    "campaigns.MediaFile.uploaded_by": STAYS,
    "campaigns.Welcome.staff": STAYS,
    "crm.Webhook.created_by": "stays; all administrators are told what becomes of it",
}


def let_go(
    staff_id: int, *, actor: Staff | None, now: datetime, source: str = ""
) -> Handover | None:
    """End a staff member's employment, whichever door the news came through.

    Does what ``depart_staff`` does and in the same transaction stops every send in the person's
    name, takes them off contact codes, and gives campaigns and quick replies to a successor: to
    whoever records the departure, else to the nearest manager. Returns the handover that holds the
    customers, or ``None`` if there are none. Raises ``MovedOn`` if the person has departed already,
    and ``RuleBroken`` if somebody would let the last administrator go; what WeCom says is heeded
    all the same.
    """
    with transaction.atomic():
        if actor:
            keep_an_administrator(staff_id)
        handover = depart_staff(staff_id, actor=actor, now=now, source=source)
        staff = Staff.objects.select_related("store").get(pk=staff_id)
        successor = successor_of(staff, actor)
        stop_sends(staff, now=now)
        hand_on_campaigns(staff, successor, now=now)
        _look_after(leave_duty(staff, successor, now=now), now=now)
        _tell_managers(staff, handover, actor=actor, now=now)
    return handover


def let_go_due(staff_id: int, *, now: datetime) -> Handover | None:
    """Let somebody go whose last day is over; nothing happens if that was called off meanwhile."""
    with transaction.atomic():
        due = Staff.objects.select_for_update().filter(pk=staff_id)
        if not due.filter(state__in=_WITH_A_LAST_DAY, leaves_on__lt=timezone.localdate(now)):
            return None
        return let_go(staff_id, actor=None, now=now, source="last day")


def leavers_due(now: datetime) -> list[int]:
    """People whose last day is over, for the sweeper."""
    over = Staff.objects.filter(state__in=_WITH_A_LAST_DAY, leaves_on__lt=timezone.localdate(now))
    return list(over.order_by("leaves_on", "pk").values_list("pk", flat=True)[:100])


def successor_of(staff: Staff, actor: Staff | None) -> Staff | None:
    """Return who takes over what the person made: the actor, else the nearest manager at work."""
    if actor and actor.pk != staff.pk:
        return actor
    for role in (Role.MANAGER, Role.ADMINISTRATOR):
        for pk in managers_of(staff.store_id, role):
            if pk != staff.pk:
                return Staff.objects.get(pk=pk)
    return None


def _look_after(codes: list[ContactCode], *, now: datetime) -> None:
    """Have the managers look at codes that had nobody else on duty."""
    for code in codes:
        add_task(
            kind=TaskKind.TO_DO,
            store=code.store,
            staff=None,
            actor=None,
            now=now,
            text=_("Contact code “%(name)s”: choose who is on duty.") % {"name": code.name},
            due_on=timezone.localdate(now),
        )


def _tell_managers(
    staff: Staff, handover: Handover | None, *, actor: Staff | None, now: datetime
) -> None:
    store = staff.store or Store.objects.order_by("pk").first()
    people = set(managers_of(store.pk if store else None)) - {staff.pk}
    notify(
        people - {actor.pk if actor else 0},
        NoticeKind.STAFF_DEPARTED,
        key=f"departed-{staff.pk}-{now:%Y%m%d%H%M%S}",
        now=now,
        handover=handover,
        about=staff,
        data={"customers": handover.size if handover else 0},
    )
