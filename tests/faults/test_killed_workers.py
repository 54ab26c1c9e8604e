"""Workers die by ``kill -9`` in the middle of their work, again and again."""

import random
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.actions.batches import expire_leases
from campaigns.enums import BatchState
from contacts.actions.transfers import LEASE, make_due_requests
from contacts.enums import RequestState
from contacts.models import HandoverRequest
from crm.actions.sweeping import ring_for_due
from tests.builders import make_customers, make_staff
from tests.faults.crew import Crew, until
from tests.faults.stories import (
    LEASE_OVER,
    begin_campaign,
    begin_handover,
    count,
    end_campaign_exactly,
    end_handover_exactly,
    look_up_unclear,
    staff_with_customers,
    wait_until_sent,
)
from tests.sandboxed import Shop

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

KILLS = 4
LATENCY = 0.4


def test_a_campaign_survives_workers_killed_while_sending(crew: Crew, shop: Shop) -> None:
    shop.open(*staff_with_customers(10, 210))
    shop.control.faults(latency_ms=int(LATENCY * 1000))
    campaign = begin_campaign()
    assert count(campaign, BatchState.WAITING) == 20
    struck = []

    for _kill in range(KILLS):
        crew.start("worker-bulk")
        ring_for_due(now=timezone.now())
        until(lambda: count(campaign, BatchState.SENDING), what="a batch that is being sent")
        time.sleep(random.uniform(0, LATENCY / 2))  # noqa: S311 -- a random moment of the call
        crew.kill("worker-bulk")
        struck.append(expire_leases(now=timezone.now() + LEASE_OVER))
    assert all(struck), "each kill must have hit a batch in state sending"
    crew.start("worker-bulk")
    wait_until_sent(campaign)
    crew.kill("worker-bulk")  # what it sends makes the sandbox keep silent about the rest
    shop.control.faults(latency_ms=0)
    found, missing = look_up_unclear(shop, campaign)
    assert found + missing == sum(struck)
    crew.start("worker-bulk")
    wait_until_sent(campaign)

    end_campaign_exactly(shop, campaign)


def test_a_handover_survives_a_worker_killed_between_its_requests(crew: Crew, shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    customers = make_customers(250, owner=wei, followed=True)
    shop.open(wei, lin)
    shop.control.faults(latency_ms=500)
    handover = begin_handover(shop, wei, lin)
    requests = HandoverRequest.objects.filter(handover=handover)
    assert requests.count() == 3

    crew.start("worker-bulk")
    until(lambda: len(shop.control.rows("transfer_calls")) == 2, what="the second request")
    crew.kill("worker-bulk")
    assert requests.filter(state=RequestState.CALLING).count() == 1
    assert requests.filter(state=RequestState.PREPARED).count() == 1
    shop.control.faults(latency_ms=0)
    make_due_requests(handover.pk, now=timezone.now() + LEASE + timedelta(seconds=1))

    asked = [row for call in shop.control.rows("transfer_calls") for row in call["customer"]]
    assert len(asked) == 350  # the hundred of the killed worker were asked again, without effect
    assert sum(row["errcode"] != 0 for row in asked) == 100
    end_handover_exactly(shop, handover, customers, lin)
