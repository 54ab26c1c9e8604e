"""PostgreSQL goes down hard in the middle of a campaign, or of a handover, and comes back."""

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.actions.batches import expire_leases
from campaigns.enums import BatchState
from contacts.actions.moving import CHUNK
from contacts.actions.transfers import LEASE
from contacts.enums import ItemState, RequestState
from contacts.models import HandoverRequest
from tests.builders import make_customers, make_staff
from tests.faults.crew import Crew, restart_postgres, until
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


def test_a_campaign_survives_a_restart_of_the_database(
    crew: Crew, shop: Shop, durable: None, pytestconfig: pytest.Config
) -> None:
    shop.open(*staff_with_customers(10, 210))
    shop.control.faults(latency_ms=600)
    campaign = begin_campaign()
    crew.start("worker-bulk", "worker-realtime", "scheduler")
    until(lambda: count(campaign, BatchState.HANDED) > 2, what="the beginning of the campaign")
    assert count(campaign, BatchState.SENDING)
    connection.close()

    restart_postgres(pytestconfig)

    struck = expire_leases(now=timezone.now() + LEASE_OVER)
    assert struck, "calls must have been under way"
    assert count(campaign, BatchState.WAITING), "the campaign must not have ended before"
    open_states = (BatchState.WAITING, BatchState.SENDING)
    until(lambda: not count(campaign, *open_states), what="workers that go on by themselves")
    assert crew.lives("worker-bulk")
    crew.kill("worker-bulk", "worker-realtime", "scheduler")
    shop.control.faults(latency_ms=0)
    found, missing = look_up_unclear(shop, campaign)
    assert found + missing == struck
    crew.start("worker-bulk")
    wait_until_sent(campaign)
    end_campaign_exactly(shop, campaign)


def test_a_handover_survives_a_restart_of_the_database(
    crew: Crew, shop: Shop, durable: None, pytestconfig: pytest.Config
) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    customers = make_customers(2 * CHUNK + 60, owner=wei, followed=True)
    shop.open(wei, lin)
    shop.control.faults(latency_ms=400)
    handover = begin_handover(shop, wei, lin)
    crew.start("worker-bulk", "worker-realtime", "scheduler")
    calls = HandoverRequest.objects.filter(handover=handover, state=RequestState.CALLING)
    until(calls.exists, what="a request that is being made")
    connection.close()

    restart_postgres(pytestconfig)

    asked = handover.items.filter(state=ItemState.WAITING)
    until(
        lambda: asked.count() == len(customers),
        patience=LEASE.total_seconds() + 60,
        what="workers that go on by themselves",
    )
    assert crew.lives("worker-bulk")
    crew.kill("worker-bulk", "worker-realtime", "scheduler")
    end_handover_exactly(shop, handover, customers, lin)
