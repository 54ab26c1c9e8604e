"""Letters while servers go away, sweepers meet, and people change their minds.

Each is compared with the far side's ledger, recipient by recipient.
"""

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.actions.campaigns import (
    cancel_campaign,
    pause_campaign,
    plan_campaign,
    resume_campaign,
)
from campaigns.actions.due import campaigns_to_plan
from campaigns.enums import BatchState, CampaignState
from campaigns.models import Campaign, Delivery
from config.processes import end_group
from contacts.actions.consent import opt_out
from contacts.errors import MovedOn
from contacts.models import Customer
from crm.actions.sweeping import ring_for_due
from tests.faults.crew import Crew, restart_postgres, until
from tests.faults.letters import FarSides, begin, finish, keys, schedule
from tests.faults.stories import broken_promises, count

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

SOME = 12_000
OPEN = (BatchState.WAITING, BatchState.SENDING)


def sent(campaign: Campaign) -> int:
    return Delivery.objects.filter(campaign=campaign, state="sent").count()


def end_exactly(campaign: Campaign, far: FarSides) -> None:
    """Whoever is sent has it once, whoever may have it is shown, and nobody else has it."""
    ledger = far.ledger()["sent"]
    surely = keys(campaign, state="sent")
    perhaps = keys(campaign, state="unclear") | keys(campaign, reason="unknown")
    assert max(ledger.values(), default=1) == 1
    assert surely <= ledger.keys()
    assert ledger.keys() <= surely | perhaps
    assert not Delivery.objects.filter(campaign=campaign, state="queued").exists()
    assert broken_promises() == []


@pytest.mark.parametrize("channel", ["webhook", "email"])
def test_letters_survive_a_restart_of_the_database(
    crew: Crew, far: FarSides, durable: None, pytestconfig: pytest.Config, channel: str
) -> None:
    campaign = begin(channel, SOME)
    crew.start("worker-bulk", "worker-realtime", "scheduler")
    until(lambda: sent(campaign) > SOME / 20, what="the beginning")
    connection.close()

    restart_postgres(pytestconfig)

    assert count(campaign, *OPEN), "the campaign must not have ended before"
    before = sent(campaign)
    until(lambda: sent(campaign) > before, what="a worker that goes on by itself")
    assert crew.lives("worker-bulk")
    crew.kill("worker-bulk", "worker-realtime", "scheduler")
    finish(campaign)
    end_exactly(campaign, far)
    if channel == "webhook":
        assert keys(campaign, state="sent") == keys(campaign)


def test_letters_go_out_although_the_broker_is_gone(lonely: Crew, far: FarSides) -> None:
    lonely.start("worker-bulk", "work")
    campaign = schedule("webhook", SOME)
    until(lambda: sent(campaign) > SOME / 20, what="the beginning")
    assert lonely.broker

    end_group(lonely.broker.pid, signal.SIGKILL)
    lonely.broker.wait()

    assert count(campaign, *OPEN), "the campaign must not have ended before"
    until(lambda: not count(campaign, *OPEN), patience=120, what="the end")
    assert lonely.lives("work")
    lonely.kill("worker-bulk", "work")
    assert keys(campaign, state="sent") == keys(campaign)
    end_exactly(campaign, far)


def test_sweepers_that_meet_plan_once_and_send_once(crew: Crew, far: FarSides) -> None:
    campaign = schedule("email", SOME)

    def plan(pk: int) -> None:
        try:
            plan_campaign(pk, now=timezone.now())
        finally:
            connection.close()

    assert campaigns_to_plan(timezone.now()) == [campaign.pk]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(plan, [campaign.pk] * 4))
    assert Delivery.objects.filter(campaign=campaign).count() == SOME

    crew.start("worker-bulk", "worker-realtime", "scheduler", "work")
    for _ring in range(20):
        ring_for_due(now=timezone.now())
        time.sleep(0.1)
    until(lambda: sent(campaign) > SOME / 2, what="half of it")
    crew.kill("worker-bulk", "worker-realtime", "scheduler", "work")
    finish(campaign)
    end_exactly(campaign, far)
    assert keys(campaign, state="sent") | keys(campaign, state="unclear") == keys(campaign)


@pytest.mark.parametrize("channel", ["webhook", "email"])
def test_people_may_change_their_minds_at_any_moment(
    crew: Crew, far: FarSides, channel: str
) -> None:
    chance = random.Random(channel)  # noqa: S311 -- the same moments in every run
    campaign = begin(channel, SOME)
    early = list(Customer.objects.order_by("-pk")[:50])
    for customer in early:
        opt_out(customer, source="test", now=timezone.now())
    crew.start("worker-bulk", "scheduler")
    until(lambda: sent(campaign) > 100, what="the beginning")

    everybody = list(Customer.objects.order_by("pk"))
    for _round in range(3):
        for customer in chance.sample(everybody, 20):
            opt_out(customer, source="test", now=timezone.now())
        campaign.refresh_from_db()
        with suppress(MovedOn):
            pause_campaign(campaign, actor=None, now=timezone.now())
        time.sleep(2)
        still = far.ledger()["sent"]
        time.sleep(1)
        assert far.ledger()["sent"] == still
        campaign.refresh_from_db()
        with suppress(MovedOn):
            resume_campaign(campaign, actor=None, now=timezone.now())
        time.sleep(chance.uniform(0.1, 0.6))
    crew.kill("worker-bulk")
    campaign.refresh_from_db()
    assert campaign.state != CampaignState.DONE, "the campaign must not have ended before"
    cancel_campaign(campaign, actor=None, now=timezone.now())
    finish(campaign)

    end_exactly(campaign, far)
    refused = {f"liuke-{campaign.pk}-{customer.pk}" for customer in early}
    assert not refused & far.ledger()["sent"].keys()
    assert keys(campaign, state="cancelled")
