"""The broker forgets everything, or is gone for good: the database is the queue."""

import signal
from dataclasses import dataclass, field

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis import Redis

from campaigns.enums import BatchState, CampaignState, WelcomeState
from campaigns.models import Campaign, Welcome, WelcomeRule
from campaigns.tasks import send_batches
from config.processes import end_group
from contacts.doorbell import ring
from contacts.enums import CallbackState, ItemState, Role
from contacts.models import Callback, Customer, Handover, HandoverItem, Staff
from crm.api.keys import issue_key
from tests.builders import make_content, make_customers, make_staff
from tests.faults.crew import Crew, until
from tests.faults.stories import (
    begin_campaign,
    begin_handover,
    broken_promises,
    count,
    end_campaign_exactly,
    end_handover_exactly,
    staff_with_customers,
)
from tests.sandboxed import Shop

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

LONGEST_REQUEST = 3.0
"""Seconds until somebody who waits for an answer gives up."""

NEW = [f"wmNew{number}" for number in range(20)]


@dataclass
class Day:
    """A busy day: a campaign goes out, then somebody leaves while new contacts come in."""

    shop: Shop
    guides: list[Staff]
    campaign: Campaign = field(init=False)
    left: list[Customer] = field(init=False)

    def begin(self) -> None:
        """The campaign goes out, each batch slowly."""
        self.shop.control.faults(latency_ms=300)
        self.campaign = begin_campaign()

    def more(self) -> Handover:
        """A handover begins, and new contacts scan a code."""
        leaver = make_staff("Wei")
        self.left = make_customers(250, owner=leaver, followed=True)
        self.shop.open(leaver)
        people = [{"external_userid": who, "name": who} for who in NEW]
        self.shop.control.scan(people, userid=self.guides[0].wecom_userid or "")
        return begin_handover(self.shop, leaver, self.guides[1])


@pytest.fixture
def day(transactional_db: None, shop: Shop) -> Day:
    guides = staff_with_customers(10, 210)
    WelcomeRule.objects.create(content=make_content("Welcome!"))
    shop.open(*guides)
    return Day(shop, guides)


def everything_done(day: Day, handover: Handover) -> bool:
    """Whether all that can be done without staff and customers is done."""
    day.campaign.refresh_from_db()
    items = HandoverItem.objects.filter(handover=handover)
    return (
        day.campaign.state == CampaignState.WAITING
        and not items.exclude(state=ItemState.WAITING).exists()
        and Callback.objects.count() == len(NEW) + 1
        and not Callback.objects.exclude(state=CallbackState.DONE).exists()
        and not Welcome.objects.exclude(state=WelcomeState.SENT).exists()
    )


def end_exactly(day: Day, handover: Handover) -> None:
    """Each story to its end, recipient by recipient; the sandbox's callbacks come along."""
    greeted = [row["external_userid"] for row in day.shop.control.rows("welcomes")]
    assert sorted(greeted) == sorted(NEW)
    assert Welcome.objects.count() == len(NEW)
    assert broken_promises() == []
    end_campaign_exactly(day.shop, day.campaign)
    end_handover_exactly(day.shop, handover, day.left, day.guides[1])


def test_everything_ends_although_the_broker_forgets_it(crew: Crew, day: Day) -> None:
    workers = ("worker-bulk", "worker-realtime")
    crew.start("web", *workers, "scheduler")
    until(lambda: web_answers(crew), what="the web server")
    until(lambda: "ready." in crew.log("worker-bulk"), what="the worker")
    day.begin()
    until(lambda: count(day.campaign, BatchState.HANDED) > 2, what="the beginning")
    crew.freeze(*workers)
    ring(send_batches, day.campaign.pk)  # a frozen worker may still be handed one message
    handover = day.more()
    redis = Redis.from_url(settings.REDIS_URL)
    until(lambda: Callback.objects.count() > len(NEW), what="the callbacks in the inbox")
    until(
        lambda: redis.llen("bulk") and redis.llen("realtime"), what=f"full queues: {redis.keys()}"
    )
    assert count(day.campaign, BatchState.WAITING)

    redis.flushall()
    crew.thaw(*workers)

    until(lambda: everything_done(day, handover), what="the end")
    redis.close()
    crew.kill("scheduler", *workers, "web")
    end_exactly(day, handover)


def test_everything_ends_without_any_broker(lonely: Crew, day: Day) -> None:
    lonely.start("web", "worker-bulk", "work")
    until(lambda: web_answers(lonely), what="the web server")
    day.begin()
    until(lambda: count(day.campaign, BatchState.HANDED) > 2, what="the beginning")
    assert lonely.broker
    end_group(lonely.broker.pid, signal.SIGKILL)
    lonely.broker.wait()
    assert count(day.campaign, BatchState.WAITING)

    handover = day.more()

    until(lambda: everything_done(day, handover), what="the end")
    assert lonely.lives("work")
    lonely.kill("web", "worker-bulk", "work")
    end_exactly(day, handover)


def test_nobody_waits_for_a_broker_that_stands_still(lonely: Crew, day: Day) -> None:
    lonely.start("web", "worker-bulk", "work")
    until(lambda: web_answers(lonely), what="the web server")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the database does by itself after a while
    marketer = make_staff("Tao", role=Role.MARKETER)
    _row, key = issue_key(marketer, name="test", scopes=(), now=timezone.now())
    assert lonely.broker
    end_group(lonely.broker.pid, signal.SIGSTOP)
    wanted = {"name": "Spring", "text": "News", "rule": {"all": []}}

    with httpx.Client(
        base_url=f"http://127.0.0.1:{lonely.port}/api/v1/",
        headers={"Authorization": f"Bearer {key}"},
        timeout=LONGEST_REQUEST,
        trust_env=False,
    ) as client:
        drafted = client.post("campaigns", json=wanted)
        url = f"campaigns/{drafted.json()['id']}"
        scheduled = client.post(f"{url}/schedule", json={"send_at": timezone.now().isoformat()})
        shown = client.get(f"{url}/progress")
        campaign = Campaign.objects.get(pk=drafted.json()["id"])
        until(lambda: has_gone(campaign), what="the campaign to be handed over")

    assert [answer.status_code for answer in (drafted, scheduled, shown)] == [201, 200, 200]
    end_group(lonely.broker.pid, signal.SIGCONT)
    lonely.kill("web", "worker-bulk", "work")
    end_campaign_exactly(day.shop, campaign)


def has_gone(campaign: Campaign) -> bool:
    """Whether all that is left is for the staff to confirm."""
    campaign.refresh_from_db()
    return campaign.state == CampaignState.WAITING


def web_answers(crew: Crew) -> bool:
    """Whether the web server is up."""
    try:
        address = f"http://127.0.0.1:{crew.port}/healthz"
        return httpx.get(address, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
