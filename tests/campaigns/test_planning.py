"""Planning beside people who press buttons: real transactions, in threads of their own."""

import time
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread

import pytest
from django.db import connection, transaction

from campaigns.actions.campaigns import (
    cancel_campaign,
    pause_campaign,
    plan_campaign,
    schedule_campaign,
    unschedule_campaign,
)
from campaigns.enums import CampaignState
from campaigns.models import Delivery
from tests.builders import NOON, make_batch, make_campaign, make_customers, make_staff


@contextmanager
def planning(campaign):
    """A worker in the middle of freezing the audience: its first batch waits for another."""
    told = []

    def plan():
        try:
            told.append(plan_campaign(campaign.pk, now=NOON))
        finally:
            connection.close()

    with transaction.atomic():
        make_batch(campaign, [], seq=1, size=1)
        worker = Thread(target=plan)
        worker.start()
        waits_for_a_lock()
        yield told
        transaction.set_rollback(True)
    worker.join(10)
    assert not worker.is_alive()


def waits_for_a_lock():
    for _look in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
        time.sleep(0.02)  # from one look at the locks to the next
    raise AssertionError("the planner does not wait")


def elsewhere(press):
    """Press a button in a transaction of its own, which no test holds open."""
    said = []

    def run():
        try:
            press()
            said.append("done")
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join(5)
    return said


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("press", [cancel_campaign, pause_campaign, unschedule_campaign])
def test_a_button_takes_effect_while_the_campaign_is_planned(press):
    make_customers(2, owner=make_staff("Lin"), followed=True)
    campaign = make_campaign(state=CampaignState.SCHEDULED)

    with planning(campaign) as told:
        assert elsewhere(lambda: press(campaign, actor=None, now=NOON)) == ["done"]
    assert told == [False]
    campaign.refresh_from_db()
    assert campaign.state in {CampaignState.CANCELLED, CampaignState.PAUSED, CampaignState.DRAFT}
    assert campaign.planned_at is None
    assert not Delivery.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_taken_back_and_scheduled_again_is_planned_anew():
    make_customers(2, owner=make_staff("Lin"), followed=True)
    campaign = make_campaign(state=CampaignState.SCHEDULED)

    def again():
        later = NOON + timedelta(seconds=1)
        unschedule_campaign(campaign, actor=None, now=later)
        schedule_campaign(campaign, send_at=NOON, actor=None, now=later)

    with planning(campaign) as told:
        assert elsewhere(again) == ["done"]
    assert told == [False]
    assert not Delivery.objects.exists()
    assert plan_campaign(campaign.pk, now=NOON + timedelta(seconds=1))
    assert Delivery.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_not_plan_a_campaign_at_once():
    make_customers(2, owner=make_staff("Lin"), followed=True)
    campaign = make_campaign(state=CampaignState.SCHEDULED)

    with planning(campaign) as told:
        second = []
        assert elsewhere(lambda: second.append(plan_campaign(campaign.pk, now=NOON))) == ["done"]
        assert second == [False]
    assert told == [True]
    assert Delivery.objects.count() == 2
