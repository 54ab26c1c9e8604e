"""Workers die by ``kill -9`` in the middle of their work, again and again."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Event

import pytest
from django.utils import timezone

from campaigns.actions.batches import expire_leases
from campaigns.enums import BatchState
from contacts.actions.customers import Profile
from contacts.actions.follows import begin_follow
from contacts.actions.moving import CHUNK, move_planned
from contacts.actions.transfers import LEASE, make_due_requests
from contacts.enums import RequestState
from contacts.models import Customer, HandoverRequest, Staff
from contacts.queries import handover_progress
from crm.actions.departures import let_go
from crm.actions.sweeping import ring_for_due
from tests.builders import make_customers, make_staff
from tests.contacts.test_races import on_own_connection
from tests.faults.crew import Crew, until
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


def calls_beyond(shop: Shop, number: int) -> bool:
    return len(shop.control.rows("transfer_calls")) > number


def test_a_large_handover_survives_workers_killed_again_and_again(crew: Crew, shop: Shop) -> None:
    number = 4 * CHUNK
    wei, lin = make_staff("Wei"), make_staff("Lin")
    customers = make_customers(number, owner=wei, followed=True)
    shop.open(wei, lin)
    shop.control.faults(latency_ms=int(LATENCY * 1000))  # so that there is always one more to ask
    handover = begin_handover(shop, wei, lin)

    for _kill in range(KILLS):
        crew.start("worker-bulk")
        ring_for_due(now=timezone.now())
        more = partial(calls_beyond, shop, len(shop.control.rows("transfer_calls")))
        until(more, what="another request")
        time.sleep(random.uniform(0, LATENCY / 2))  # noqa: S311 -- a random moment of the work
        crew.kill("worker-bulk")
        assert handover_progress(handover).adds_up
    shop.control.faults(latency_ms=0)
    for _round in range(2):
        move_planned(handover.pk, now=timezone.now())
        make_due_requests(handover.pk, now=timezone.now() + LEASE + timedelta(seconds=1))

    end_handover_exactly(shop, handover, customers, lin)


def test_nobody_is_lost_when_500_people_depart_while_customers_add_them(
    transactional_db: None,
) -> None:
    """Seven threads add customers to whoever is there, an eighth lets 500 guides go."""
    guides = [make_staff(f"Guide {number}", account=False) for number in range(500)]
    make_customers(1000, owner=guides[-1])
    busy = Event()

    def add(turn: int) -> int:
        added = 0
        while not busy.is_set():
            guide = Staff.objects.get(pk=random.choice(guides).pk)  # noqa: S311
            begin_follow(
                guide, f"wm{turn}-{added}", profile=Profile(name="Chen"), now=timezone.now()
            )
            added += 1
        return added

    def let_everybody_go() -> None:
        try:
            for guide in guides:
                let_go(guide.pk, actor=None, now=timezone.now())
        finally:
            busy.set()

    with ThreadPoolExecutor(8) as pool:
        adding = [pool.submit(on_own_connection, partial(add, turn)) for turn in range(7)]
        pool.submit(on_own_connection, let_everybody_go).result()
        added = sum(future.result() for future in adding)

    assert added > 500, "the threads must have met the departures"
    assert Customer.objects.count() == 1000 + added
    assert not Customer.objects.exclude(owner=None).exists()
    assert broken_promises() == []
