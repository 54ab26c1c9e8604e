"""Who is rung for, so that nothing that is due now waits for the sweeper."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from campaigns.models import Campaign, MessagingRules
from contacts.enums import HandoverState, ItemState, Role
from contacts.models import Handover
from crm import tasks
from tests.builders import (
    NOON,
    make_customers,
    make_departed,
    make_handover,
    make_series,
    make_staff,
    sign_in,
)

pytestmark = pytest.mark.django_db

Rung = Callable[[], list[tuple[str, list[int]]]]
WORDS = "Hello, this is {guide}: I look after you now."


def handed(state: HandoverState = HandoverState.DONE, **fields: Any) -> Handover:
    """A departure whose customers are with their new owner, who has words for them."""
    mei = make_staff("Mei")
    return make_handover(
        make_departed(),
        customers=make_customers(2, owner=mei, followed=True),
        to_staff=mei,
        item_state=ItemState.ACCEPTED,
        state=state,
        customer_message=WORDS,
        **fields,
    )


def test_a_run_of_a_series_is_planned_at_once(
    rung: Rung, django_capture_on_commit_callbacks: Any
) -> None:
    series = make_series(created_by=make_staff("Yan", role=Role.MARKETER))
    with (
        time_machine.travel(NOON + timedelta(days=7), tick=False),
        django_capture_on_commit_callbacks(execute=True),
    ):
        tasks.run_series.run(series.pk)

    assert rung() == [("crm.tasks.plan_campaign", [Campaign.objects.get().pk])]


def test_a_run_that_waits_for_approval_rings_for_nobody(
    rung: Rung, django_capture_on_commit_callbacks: Any
) -> None:
    make_customers(1, owner=make_staff("Lin"), followed=True)
    MessagingRules.objects.update_or_create(pk=1, defaults={"approval_above": 0})
    series = make_series(created_by=make_staff("Yan", role=Role.MARKETER))
    with (
        time_machine.travel(NOON + timedelta(days=7), tick=False),
        django_capture_on_commit_callbacks(execute=True),
    ):
        tasks.run_series.run(series.pk)

    assert Campaign.objects.get().state == "review"
    assert ("crm.tasks.plan_campaign", [Campaign.objects.get().pk]) not in rung()


@pytest.mark.parametrize(("hour", "is_now"), [(12, True), (23, False)])
def test_an_announcement_is_planned_at_once_by_day(
    rung: Rung, django_capture_on_commit_callbacks: Any, hour: int, *, is_now: bool
) -> None:
    now = NOON.replace(hour=hour)
    handover = handed(closed_at=now)
    with time_machine.travel(now, tick=False), django_capture_on_commit_callbacks(execute=True):
        tasks.announce_handover.run(handover.pk)

    campaign = Campaign.objects.get()
    assert rung() == ([("crm.tasks.plan_campaign", [campaign.pk])] if is_now else [])


def test_whoever_closes_a_handover_has_its_customers_told(
    client: Client, rung: Rung, django_capture_on_commit_callbacks: Any
) -> None:
    handover = handed(HandoverState.RUNNING)
    sign_in(client, make_staff("Hua", role=Role.MANAGER))

    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/handovers/{handover.pk}/finish/")

    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE
    assert ("crm.tasks.announce_handover", [handover.pk]) in rung()
