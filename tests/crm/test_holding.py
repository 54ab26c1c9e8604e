"""After a restored backup nothing goes out before a person says so."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from campaigns.actions import campaigns as act
from campaigns.actions.posts.life import create_post, schedule_post
from campaigns.actions.pump import pump_campaign
from campaigns.enums import CampaignState, PostKind, PostState, SeriesState
from campaigns.models import Campaign, Delivery, Post, Series
from contacts.models import HistoryEntry
from crm.actions.sweeping import do_what_is_due
from tests.builders import make_content, make_customers, make_segment, make_series, make_staff
from tests.gateways import open_gateway

pytestmark = pytest.mark.django_db(transaction=True)


def campaign_due(name: str) -> Campaign:
    now = timezone.now()
    campaign = act.create_campaign(
        name=name,
        content=make_content("Hello"),
        segment=make_segment(),
        channel="webhook",
        actor=None,
        now=now,
    )
    act.schedule_campaign(campaign, send_at=now - timedelta(hours=1), actor=None, now=now)
    return campaign


def hold() -> str:
    out = StringIO()
    call_command("hold_campaigns", stdout=out)
    return out.getvalue()


def test_what_was_due_in_a_backup_waits_for_a_person(settings: Any) -> None:
    make_customers(30, owner=make_staff("Lin"))
    with open_gateway() as gateway:
        settings.CAMPAIGN_WEBHOOK_URL = gateway.url
        due, planned = campaign_due("due"), campaign_due("planned")
        act.plan_campaign(planned.pk, now=timezone.now())
        series = make_series(
            content=make_content("Weekly"),
            segment=make_segment(),
            next_run_at=timezone.now() - timedelta(minutes=1),
        )
        post = create_post(
            kind=PostKind.GROUP,
            name="Coats",
            content=make_content("New coats"),
            stores=[],
            actor=None,
            now=timezone.now(),
        )
        schedule_post(post, send_at=timezone.now(), actor=None, now=timezone.now())

        assert hold().startswith("paused: 2 campaigns, 1 series; posts: 1 taken back")
        do_what_is_due(now=timezone.now() + timedelta(days=1))

        assert gateway.calls == []
        assert set(Campaign.objects.values_list("state", flat=True)) == {CampaignState.PAUSED}
        assert Series.objects.get(pk=series.pk).state == SeriesState.PAUSED
        assert Post.objects.get(pk=post.pk).state == PostState.DRAFT
        assert Delivery.objects.filter(campaign=due).count() == 0

        act.resume_campaign(Campaign.objects.get(pk=planned.pk), actor=None, now=timezone.now())
        pump_campaign(planned.pk)
        assert len(gateway.taken) == 30


def test_held_twice_is_held_once(settings: Any) -> None:
    settings.CAMPAIGN_WEBHOOK_URL = "http://127.0.0.1:9/"
    make_customers(3, owner=make_staff("Lin"))
    campaign_due("due")
    hold()
    told = HistoryEntry.objects.count()

    assert hold().startswith("paused: 0 campaigns, 0 series; posts: 0 taken back")

    assert HistoryEntry.objects.count() == told
