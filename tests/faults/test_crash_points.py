"""A worker dies at each named point around a call; nobody is asked twice, nobody forgotten."""

import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.actions.pump import pump_campaign
from campaigns.actions.welcomes import send_welcome, write_off_welcomes
from campaigns.enums import BatchState, CampaignState, WelcomeState
from campaigns.models import Welcome, WelcomeRule
from config.places import ROOT
from connectors.wecom.callback import read_event
from contacts.actions.transfers import LEASE, make_due_requests
from contacts.enums import RequestState
from contacts.models import Callback, HandoverRequest
from crm.actions.callbacks import process_callback, store_callback
from crm.actions.sweeping import do_what_is_due
from tests.builders import make_content, make_customers, make_staff
from tests.faults.crashing import DEAD, POINTS
from tests.faults.crew import Crew
from tests.faults.stories import (
    LEASE_OVER,
    begin_campaign,
    begin_handover,
    broken_promises,
    count,
    end_campaign_exactly,
    end_handover_exactly,
    look_up_unclear,
    staff_with_customers,
)
from tests.sandboxed import Shop

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


def crash(crew: Crew, point: str, path: str, task: str, row: int) -> None:
    """Let a process of its own die at this point."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.crashing", point, path, task, str(row)],
        cwd=ROOT,
        env={**crew.process_environment(), **crew.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == DEAD, done.stderr


@pytest.mark.parametrize("point", POINTS)
def test_a_campaign(crew: Crew, shop: Shop, point: str) -> None:
    shop.open(*staff_with_customers(2, 210))
    campaign = begin_campaign()

    crash(
        crew,
        point,
        "externalcontact/add_msg_template",
        "campaigns.tasks.send_batches",
        campaign.pk,
    )

    written = point == "after_write_down"
    assert count(campaign, BatchState.HANDED) == written
    assert count(campaign, BatchState.SENDING) == (not written)
    assert len(shop.control.rows("messages")) == (point != "before_call")
    pump_campaign(campaign.pk)
    found, missing = look_up_unclear(shop, campaign)
    assert (found, missing) == {
        "before_call": (0, 1),
        "after_call": (1, 0),
        "in_write_down": (1, 0),
        "after_write_down": (0, 0),
    }[point]
    do_what_is_due(now=timezone.now())
    end_campaign_exactly(shop, campaign)


def test_a_campaign_whose_last_worker_dies_right_after_the_last_write_down(
    crew: Crew, shop: Shop
) -> None:
    shop.open(*staff_with_customers(1, 3))
    campaign = begin_campaign()
    crash(
        crew,
        "after_write_down",
        "externalcontact/add_msg_template",
        "campaigns.tasks.send_batches",
        campaign.pk,
    )
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENDING

    do_what_is_due(now=timezone.now())

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.WAITING
    end_campaign_exactly(shop, campaign)


@pytest.mark.parametrize("point", POINTS)
def test_a_handover(crew: Crew, shop: Shop, point: str) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    customers = make_customers(150, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = begin_handover(shop, wei, lin)

    crash(
        crew,
        point,
        "externalcontact/resigned/transfer_customer",
        "contacts.tasks.make_requests",
        handover.pk,
    )

    calling = HandoverRequest.objects.filter(state=RequestState.CALLING)
    assert calling.count() == (point != "after_write_down")
    assert len(shop.control.rows("transfer_calls")) == (point != "before_call")
    make_due_requests(handover.pk, now=timezone.now() + LEASE + timedelta(seconds=1))
    end_handover_exactly(shop, handover, customers, lin)


@pytest.mark.parametrize("point", ["before_call", "after_call", "after_write_down"])
def test_a_welcome(crew: Crew, shop: Shop, point: str) -> None:
    lin = make_staff("Lin")
    shop.open(lin)
    WelcomeRule.objects.create(content=make_content("Welcome!"))
    shop.control.scan(
        [{"external_userid": "wmChen", "name": "Chen"}], userid=lin.wecom_userid or ""
    )
    event = read_event(shop.control.rows("callbacks")[0]["xml"].encode())
    now = timezone.now()
    assert store_callback(event, now=now)
    assert process_callback(Callback.objects.get().pk, now=now)
    welcome = Welcome.objects.get()

    crash(
        crew,
        point,
        "externalcontact/send_welcome_msg",
        "campaigns.tasks.send_welcome",
        welcome.pk,
    )

    assert not send_welcome(welcome.pk, now=timezone.now())
    write_off_welcomes(now=welcome.deadline_at + LEASE_OVER)
    welcome.refresh_from_db()
    written = point == "after_write_down"
    assert welcome.state == (WelcomeState.SENT if written else WelcomeState.UNCLEAR)
    assert welcome.code == ""
    told = [row["external_userid"] for row in shop.control.rows("welcomes")]
    assert told == ([] if point == "before_call" else ["wmChen"])
    assert shop.violations() == []
    assert broken_promises() == []
