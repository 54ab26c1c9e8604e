"""Letters delivered in a second, beside the bare client and one row a recipient all the while."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from django.db import connection
from django.test import override_settings
from django.utils import timezone

import bench.ready  # noqa: F401 -- before the first model is imported
from bench.company import CUSTOMERS
from bench.figures import Figure
from bench.reader import reading
from campaigns.actions.campaigns import (
    cancel_campaign,
    create_campaign,
    pause_campaign,
    plan_campaign,
    schedule_campaign,
)
from campaigns.actions.wordings import Wording
from campaigns.letters import Writer
from campaigns.models import Campaign, Content, Delivery, MessagingRules, Segment
from campaigns.queries import delivery_counts
from campaigns.recipients import Recipient
from config.places import ROOT
from config.supervisor import BULK_WORKERS
from connectors.base import Letter
from connectors.smtp.channel import MailChannel
from connectors.webhook.channel import WebhookChannel
from contacts.models import Store

LETTERS = 100_000
MAILS = 20_000
ROUNDS = 5
ROUNDS_OF_OTHERS = 3
TEXT = (
    "Dear {customer|friend}, our spring coats are here: https://shop.example/spring?from=message"
    " Come and try one on at {store}. Yours, {guide}"
)

Say = Callable[[Figure], None]


def measure(say: Say) -> None:
    """Measure each figure and say it at once."""
    MessagingRules.objects.update_or_create(pk=1, defaults={"approval_above": None})
    _give_addresses()
    with _http_sink() as url:
        bare, ours = [], []
        for _ in range(ROUNDS):  # in turn: the machine's own speed changes within minutes
            bare.append(_bare_http(url, LETTERS))
            ours.append(_deliver("webhook", 2, {"CAMPAIGN_WEBHOOK_URL": url})[0])
        say(
            Figure(
                "letters over HTTP, one a call",
                statistics.median(ours),
                "a second",
                statistics.median(bare),
                at_least=12_000,
                times_least=0.6,
            )
        )
        many = {"CAMPAIGN_WEBHOOK_URL": url, "CAMPAIGN_WEBHOOK_PER_CALL": "200"}
        rates = [_deliver("webhook", 2, many)[0] for _ in range(ROUNDS)]
        say(
            Figure(
                "letters over HTTP, 200 a call",
                statistics.median(rates),
                "a second",
                at_least=30_000,
            )
        )
        say(_pause(url))
    with _http_sink(50) as url:
        slow = {"CAMPAIGN_WEBHOOK_URL": url}
        rates = [_deliver("webhook", 1, slow)[0] for _ in range(ROUNDS)]
        say(
            Figure(
                "letters at 50 ms of latency", statistics.median(rates), "a second", at_least=3_500
            )
        )
    with _smtp_sink() as url:
        mails = [_bare_mail(url, MAILS) for _ in range(ROUNDS)]
        rates = [_deliver("email", 1, {"EMAIL_URL": url})[0] for _ in range(ROUNDS)]
        mailed = statistics.median(rates)
        say(Figure("e-mails", mailed, "a second", statistics.median(mails), at_least=5_000))
        theirs = statistics.median(_post_office(url, MAILS) for _ in range(ROUNDS_OF_OTHERS))
        say(Figure("e-mails, beside django-post-office", mailed, "a second", theirs, times_least=5))


def a_million(say: Say) -> None:
    """Send to everybody, 200 a call: the memory of a worker, and what a look at it costs."""
    with _http_sink() as url:
        many = {"CAMPAIGN_WEBHOOK_URL": url, "CAMPAIGN_WEBHOOK_PER_CALL": "200"}
        with _set_up(many):
            campaign = _plan("webhook", 40)
            with reading(f"/campaigns/{campaign.pk}/", f"/campaigns/{campaign.pk}/progress/") as ms:
                rate, peak = _send_off(campaign, many)
    say(Figure("letters of a campaign to a million", rate, "a second"))
    say(Figure("memory of a worker meanwhile", peak, "MiB", at_most=300))
    say(Figure("progress page meanwhile, median", statistics.median(ms), "ms", at_most=100))
    say(Figure("progress page meanwhile, p95", statistics.quantiles(ms, n=20)[-1], "ms"))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        delivery_counts(campaign)
        times.append((time.perf_counter() - began) * 1000)
    say(Figure("progress of a million, SQL", statistics.median(times), "ms", at_most=5))


def _give_addresses() -> None:
    """The customers of the first store get e-mail addresses, as far as there are mails to send."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            """
            INSERT INTO contacts_identity (customer_id, kind, system, value, created_at)
            SELECT id, 'email', '', 'p' || id || '@example.com', now() FROM contacts_customer
            WHERE store_id = (SELECT min(id) FROM contacts_store) ORDER BY id LIMIT %s
            ON CONFLICT DO NOTHING
            """,
            [MAILS],
        )
        cursor.execute("ANALYZE contacts_identity")


def _plan(channel: str, stores: int) -> Campaign:
    """Plan a campaign to the customers of the first so many stores: 25,000 each."""
    now = timezone.now()
    chosen = list(Store.objects.order_by("pk").values_list("pk", flat=True)[:stores])
    campaign = create_campaign(
        name="Spring",
        content=Content.objects.create(name="Spring", text=TEXT),
        segment=Segment.objects.create(
            name=f"Bench {time.monotonic_ns()}",
            rule={"all": [{"field": "store", "op": "in", "value": chosen}]},
        ),
        channel=channel,
        wording=Wording(subject="Spring at {store}") if channel == "email" else None,
        actor=None,
        now=now,
    )
    schedule_campaign(campaign, send_at=now, actor=None, now=now)
    plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    return campaign


def _deliver(channel: str, stores: int, environment: dict[str, str]) -> tuple[float, float]:
    """Send a campaign; return recipients a second, and the memory of the larger worker in MiB."""
    with _set_up(environment):
        return _send_off(_plan(channel, stores), environment)


def _send_off(campaign: Campaign, environment: dict[str, str]) -> tuple[float, float]:
    """Send a planned campaign; see ``_deliver``."""
    with _workers(campaign, environment) as workers:
        began = time.perf_counter()
        _go(workers)
        peak = max(float(worker.stdout.readline()) for worker in workers if worker.stdout)
        seconds = time.perf_counter() - began
    sent = Delivery.objects.filter(campaign=campaign, state="sent").count()
    if sent != campaign.recipients:
        raise SystemExit(f"{sent} of {campaign.recipients} letters were sent")
    return sent / seconds, peak


def _pause(url: str) -> Figure:
    """Seconds from the button to the last call, at full speed."""
    environment = {"CAMPAIGN_WEBHOOK_URL": url}
    with _set_up(environment):
        campaign = _plan("webhook", 4)
        with _workers(campaign, environment) as workers:
            before = _calls(url)
            _go(workers)
            time.sleep(2)
            campaign.refresh_from_db()
            calls = _calls(url)
            began = last = time.perf_counter()
            pause_campaign(campaign, actor=None, now=timezone.now())
            while time.perf_counter() - began < 4:
                time.sleep(0.02)
                if (now := _calls(url)) != calls:
                    calls, last = now, time.perf_counter()
        if not 0 < calls - before < (campaign.recipients or 0):
            raise SystemExit("the campaign was not under way when it was paused")
    return Figure("pause takes effect", last - began, "s", at_most=2)


@contextmanager
def _set_up(environment: dict[str, str]) -> Iterator[None]:
    """Let this process know the channel as the worker does."""
    named = {
        name: int(value) if value.isdecimal() else value for name, value in environment.items()
    }
    with override_settings(**named):
        yield


@contextmanager
def _workers(
    campaign: Campaign, environment: dict[str, str]
) -> Iterator[list["subprocess.Popen[str]"]]:
    """As many processes as `manage.py up` has for campaigns, ready to begin."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.worker", str(campaign.pk)],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _number in range(BULK_WORKERS)
    ]
    try:
        for worker in workers:
            if worker.stdout is None or worker.stdout.readline() != "ready\n":
                raise SystemExit("a worker did not start")
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _go(workers: list["subprocess.Popen[str]"]) -> None:
    for worker in workers:
        if worker.stdin is not None:
            worker.stdin.write("go\n")
            worker.stdin.flush()


def _bare_http(url: str, letters: int) -> float:
    """The same client without a database: one and the same letter, again and again."""
    channel = WebhookChannel(url)
    one = _a_letter("webhook", {"CAMPAIGN_WEBHOOK_URL": url})
    began = time.perf_counter()
    taken = sum(1 for _answer in channel.send(one for _ in range(letters)))
    rate = taken / (time.perf_counter() - began)
    channel.close()
    return rate


def _bare_mail(url: str, letters: int) -> float:
    channel = MailChannel(url, sender="Shop <news@shop.example>")
    one = _a_letter("email", {"EMAIL_URL": url})
    began = time.perf_counter()
    taken = sum(1 for _answer in channel.send(one for _ in range(letters)))
    rate = taken / (time.perf_counter() - began)
    channel.close()
    return rate


def _post_office(url: str, mails: int) -> float:
    command = [sys.executable, "-m", "bench.post_office", url, str(mails)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def _a_letter(channel: str, environment: dict[str, str]) -> Letter:
    """One letter as campaigns send them, with links of its own; nobody gets the campaign."""
    with _set_up(environment):
        campaign = _plan(channel, 1)
        person = Recipient(
            0, 0, CUSTOMERS, "p1@example.com", "陈静1", "Guide 1", "Store 1", "queued"
        )
        letter = Writer(campaign).letter(person)
        cancel_campaign(campaign, actor=None, now=timezone.now())
    return letter


def _calls(url: str) -> int:
    return int(httpx.get(url).text)


@contextmanager
def _sink(module: str, *arguments: str) -> Iterator[int]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "port"
        command = [sys.executable, "-m", module, str(file), *arguments]
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            while not (file.exists() and file.read_text(encoding="ascii")):
                time.sleep(0.05)
            yield int(file.read_text(encoding="ascii"))
        finally:
            process.kill()
            process.wait()


@contextmanager
def _http_sink(milliseconds: int = 0) -> Iterator[str]:
    with _sink("bench.http_sink", str(milliseconds)) as port:
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def _smtp_sink() -> Iterator[str]:
    with _sink("bench.smtp_sink") as port:
        yield f"smtp://127.0.0.1:{port}"
