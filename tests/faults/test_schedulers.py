"""Two schedulers and four sweepers at once: what is due begins once, as if there were one of each."""

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Sum
from django.utils import timezone
from redis import Redis

from campaigns.enums import CampaignState, DeliveryState, RunState, SeriesKind
from campaigns.models import Campaign, Content, Delivery, Segment, Series, SeriesRun, Tally
from contacts.enums import IdentityKind, Role
from contacts.models import Customer, HistoryEntry, Identity, Staff
from crm.actions.orders import count_value
from crm.actions.sweeping import do_what_is_due
from tests.builders import make_order, make_segment, make_series, make_staff
from tests.faults.crew import Crew, until
from tests.faults.stories import broken_promises, staff_with_customers
from tests.gateways import Gateway, MailServer
from tests.sandboxed import Shop

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

CAMPAIGNS = int(os.environ.get("LIUKE_FAULT_CAMPAIGNS", "300"))
SERIES = 45
GUIDES = 25
CHANNELS = ("webhook", "email", "wecom")

SCHEDULERS = ("scheduler", "scheduler-2")
WORKERS = ("worker-bulk", "worker-realtime")
SWEEPERS = ("work", "work-2", "work-3", "work-4")
EVERYBODY = (*SCHEDULERS, *WORKERS, *SWEEPERS)
TO_THE_END = 240.0

SHANGHAI = ZoneInfo("Asia/Shanghai")
RULES: dict[SeriesKind, dict[str, Any]] = {
    SeriesKind.REPEAT: {"freq": "daily"},
    SeriesKind.BIRTHDAY: {"days_before": 0},
    SeriesKind.AFTER_PURCHASE: {"days": 1, "pause_days": 30},
}

Letters = set[tuple[int, int]]
"""Which campaign is for which customer."""


@dataclass
class Company:
    """Guides of two customers each, each pair a segment, and the far sides of three channels."""

    crew: Crew
    shop: Shop
    gateway: Gateway
    mails: MailServer
    guides: list[Staff]
    segments: list[Segment]
    marketer: Staff

    def customers(self, segment: Segment | None) -> list[Customer]:
        """The two of a segment: whose birthday it can be, and who can have bought something."""
        assert segment
        owner = self.guides[self.segments.index(segment)]
        return list(Customer.objects.filter(owner=owner).order_by("pk"))

    def arrived(self) -> Counter[tuple[int, int]]:
        """How often the far sides got which campaign for which customer."""
        keys = [message["key"] for message in self.gateway.calls]
        keys += [
            re.findall(r"Message-ID: <(liuke-\d+-\d+)", mail)[0] for _to, mail in self.mails.mails
        ]
        got = [(int(key.split("-")[1]), int(key.split("-")[2])) for key in keys]
        said_by = dict(Campaign.objects.filter(channel="wecom").values_list("text", "pk"))
        got += [
            (said_by[message["text"]], int(address.removeprefix("wm")))
            for message in self.shop.control.rows("messages")
            for task in message["tasks"]
            for address in task["recipients"]
        ]
        return Counter(got)


@pytest.fixture
def company(crew: Crew, shop: Shop, gateway: Gateway, mails: MailServer) -> Company:
    """A company whose schedulers ring, whose workers listen and whose sweepers sweep."""
    guides = staff_with_customers(GUIDES, 2)
    shop.open(*guides)
    Identity.objects.bulk_create(
        Identity(customer_id=pk, kind=IdentityKind.EMAIL, value=f"p{pk}@example.com")
        for pk in Customer.objects.values_list("pk", flat=True)
    )
    segments = [
        make_segment({"all": [{"field": "owner", "op": "in", "value": [guide.pk]}]})
        for guide in guides
    ]
    crew.start(*SCHEDULERS)
    until(lambda: len(who_rang()) == len(SCHEDULERS), patience=TO_THE_END, what="both schedulers")
    crew.start(*WORKERS, *SWEEPERS)
    until(lambda: all_are_there(crew), patience=TO_THE_END, what="workers and sweepers")
    marketer = make_staff("Tao", role=Role.MARKETER)
    return Company(crew, shop, gateway, mails, guides, segments, marketer)


def all_are_there(crew: Crew) -> bool:
    """Whether workers listen and sweepers sweep."""
    listen = all("ready." in crew.log(name) for name in WORKERS)
    return listen and sessions() >= set(SWEEPERS)


def who_rang() -> set[str]:
    """Whose rings wait for a worker."""
    with Redis.from_url(settings.REDIS_URL) as redis:
        rings = [json.loads(ring) for ring in redis.lrange("realtime", 0, -1)]
    return {ring["headers"]["origin"] for ring in rings}


def sessions() -> set[str]:
    """The programs that have a session in our database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        )
        return {name for (name,) in cursor.fetchall()}


def all_began_after(moment: datetime) -> bool:
    """Whether what any program is doing in our database was begun later."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND xact_start <= %s",
            [moment],
        )
        return bool(cursor.fetchone() == (0,))


def make_due(company: Company) -> list[Campaign]:
    """Many campaigns, all due in the same moment."""
    now = timezone.now()
    with transaction.atomic():
        contents = Content.objects.bulk_create(
            Content(name=f"News {n}", text=f"News {n}") for n in range(CAMPAIGNS)
        )
        return Campaign.objects.bulk_create(
            Campaign(
                name=content.name, content=content, segment=company.segments[n % GUIDES],
                channel=CHANNELS[n % 3], subject="News" if CHANNELS[n % 3] == "email" else "",
                created_by=company.marketer, scheduled_by=company.marketer,
                state=CampaignState.SCHEDULED, state_at=now, send_at=now,
            )
            for n, content in enumerate(contents)
        )  # fmt: skip


def make_series_due(company: Company, moment: datetime) -> list[Series]:
    """Series of every kind, of which nobody has made the run of ``moment`` nor the two before."""
    kinds = list(RULES)
    return [
        make_series(
            f"Series {n}",
            content=Content.objects.create(name=f"Again {n}", text=f"Again {n}"),
            segment=company.segments[n % GUIDES],
            channel=CHANNELS[n // 3 % 3],
            subject="Again" if CHANNELS[n // 3 % 3] == "email" else "",
            kind=kinds[n % 3],
            rule=RULES[kinds[n % 3]],
            at_time=moment.astimezone(SHANGHAI).time(),
            starts_on=moment.date() - timedelta(days=9),
            next_run_at=moment - timedelta(days=2),
            created_by=company.marketer,
        )
        for n in range(SERIES)
    ]


def live(company: Company, moment: datetime) -> None:
    """Of each guide one customer has birthday on this day, and one bought something the day before."""
    for segment in company.segments:
        born, bought = company.customers(segment)
        birthday = moment.astimezone(SHANGHAI).date().replace(year=1992)
        Customer.objects.filter(pk=born.pk).update(birthday=birthday)
        make_order(bought, ordered_at=moment - timedelta(days=1))
        count_value(bought)


def all_have_gone(number: int) -> bool:
    """Whether there are so many campaigns, and all that is left is for the staff to confirm."""
    gone = Campaign.objects.filter(state__in=[CampaignState.DONE, CampaignState.WAITING])
    return gone.count() >= number and not Campaign.objects.exclude(pk__in=gone).exists()


def end(company: Company) -> None:
    """Let everybody finish what they are at, end them, and sweep once more."""
    over = timezone.now()
    until(lambda: all_began_after(over), what="the end of what was under way")
    assert all(company.crew.lives(name) for name in EVERYBODY)
    company.crew.stop()
    do_what_is_due(now=timezone.now())


def everybody_got_it_once(company: Company, wanted: Letters) -> None:
    """Far sides, rows and counts say the same: all planned once, and each letter sent once."""
    assert company.arrived() == dict.fromkeys(wanted, 1)
    assert company.shop.violations() == []
    letters = Delivery.objects.order_by()
    assert sorted(letters.values_list("campaign_id", "customer_id")) == sorted(wanted)
    assert set(letters.values_list("campaign__channel", "state")) == {
        ("webhook", DeliveryState.SENT),
        ("email", DeliveryState.SENT),
        ("wecom", DeliveryState.HANDED),
    }
    campaigns = Campaign.objects.order_by()
    assert dict(campaigns.values_list("pk", "recipients")) == Counter(pk for pk, _who in wanted)
    tallies = Tally.objects.order_by().values_list("campaign_id", "state").annotate(Sum("n"))
    states = letters.values_list("campaign_id", "state").annotate(Count("pk"))
    assert {row for row in tallies if row[2]} == set(states)
    history = HistoryEntry.objects.filter(subject_kind="campaign")
    steps = Counter(history.values_list("subject_id", "action"))
    assert max(steps.values()) == 1
    assert {pk for pk, step in steps if step == "campaign.planned"} == {pk for pk, _who in wanted}
    assert broken_promises() == []


def letters_of(company: Company, series: Series) -> Letters:
    """Whom the one run of the series is for."""
    made = SeriesRun.objects.exclude(campaign=None).get(series=series).campaign_id or 0
    born, bought = company.customers(series.segment)
    whom = {SeriesKind.BIRTHDAY: [born], SeriesKind.AFTER_PURCHASE: [bought]}
    return {(made, who.pk) for who in whom.get(SeriesKind(series.kind), [born, bought])}


def test_what_is_due_in_one_moment_begins_once(company: Company) -> None:
    moment = timezone.now().replace(second=0, microsecond=0)
    live(company, moment)
    with transaction.atomic():
        campaigns = make_due(company)
        series = make_series_due(company, moment)
    until(lambda: all_have_gone(CAMPAIGNS + SERIES), patience=TO_THE_END, what="the end")

    end(company)

    runs = SeriesRun.objects.order_by("series", "run_at")
    assert list(runs.values_list("series", "run_at", "state")) == [
        (one.pk, moment - timedelta(days=ago), state)
        for one in series
        for ago, state in ((2, RunState.MISSED), (1, RunState.MISSED), (0, RunState.STARTED))
    ]
    upcoming = Series.objects.values_list("next_run_at", flat=True)
    assert set(upcoming) == {moment + timedelta(days=1)}
    everybody_got_it_once(
        company,
        {(one.pk, who.pk) for one in campaigns for who in company.customers(one.segment)}
        | {letter for one in series for letter in letters_of(company, one)},
    )
    failures = {name: company.crew.log(name).partition("Traceback")[2] for name in EVERYBODY}
    assert failures == dict.fromkeys(EVERYBODY, "")
