"""Letters to 40,000 people, while workers die every half second and the far side breaks.

Compared with the far side's ledger, recipient by recipient: nobody twice, nobody lost, and whoever
may have got a letter that nobody knows of is shown.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions.batches import expire_leases
from campaigns.actions.campaigns import (
    Wording,
    create_campaign,
    plan_campaign,
    schedule_campaign,
)
from campaigns.actions.letters import LONG_LEASE
from campaigns.actions.pump import pump_campaign
from campaigns.enums import CampaignState
from campaigns.models import Batch, Campaign, ChannelPace, Delivery
from config.places import ROOT
from contacts.enums import IdentityKind
from contacts.models import Identity
from crm.actions.sweeping import ring_for_due
from tests.builders import make_content, make_customers, make_segment, make_staff
from tests.faults.crew import Crew, until
from tests.faults.stories import broken_promises, wait_until_sent

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

PEOPLE = int(os.environ.get("LIUKE_FAULT_PEOPLE", "40000"))
KILLS = 30


class FarSides:
    """The gateway and the mail server of ``far_sides``, and what they got."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.far_sides", str(folder)], cwd=ROOT
        )
        until((folder / "smtp").exists, what="the far sides")

    def port(self, name: str) -> int:
        return int((self.folder / name).read_text(encoding="ascii"))

    def ledger(self) -> dict[str, dict[str, int]]:
        (self.folder / "tell").touch()
        until((self.folder / "told").exists, what="the ledger")
        told: dict[str, dict[str, int]] = json.loads((self.folder / "told").read_text())
        (self.folder / "told").unlink()
        return told

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def far(tmp_path: Path, settings: Any) -> Iterator[FarSides]:
    sides = FarSides(tmp_path)
    settings.CAMPAIGN_WEBHOOK_URL = f"http://127.0.0.1:{sides.port('http')}/"
    settings.EMAIL_URL = f"smtp://127.0.0.1:{sides.port('smtp')}"
    settings.MAIL_FROM = "Shop <news@shop.example>"
    yield sides
    sides.close()


def begin(channel: str) -> Campaign:
    customers = make_customers(PEOPLE, owner=make_staff("Lin"))
    if channel == "email":
        Identity.objects.bulk_create(
            Identity(customer=one, kind=IdentityKind.EMAIL, value=f"p{one.pk}@example.com")
            for one in customers
        )
    now = timezone.now()
    campaign = create_campaign(
        name="Spring",
        content=make_content("Dear {customer|friend}, yours {guide}"),
        segment=make_segment(),
        channel=channel,
        wording=Wording(subject="Spring") if channel == "email" else None,
        actor=None,
        now=now,
    )
    schedule_campaign(campaign, send_at=now, actor=None, now=now)
    plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    assert campaign.recipients == PEOPLE
    return campaign


def let_them_die(crew: Crew) -> int:
    """Run workers that are killed; returns how many were."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.mortals", str(KILLS)],
        cwd=ROOT,
        env={**crew.process_environment(), **crew.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def finish(campaign: Campaign) -> None:
    """Let the last worker live, and tell it that leases and waiting times are over."""
    deadline = time.monotonic() + 240
    while Batch.objects.filter(campaign=campaign, state__in=["waiting", "sending"]).exists():
        assert time.monotonic() < deadline
        expire_leases(now=timezone.now() + LONG_LEASE * 2)
        Batch.objects.filter(campaign=campaign, state="waiting").update(next_attempt_at=None)
        ChannelPace.objects.update(rest_until=None)
        pump_campaign(campaign.pk)
    campaign.refresh_from_db()


def keys(campaign: Campaign, **wanted: str) -> set[str]:
    found = Delivery.objects.filter(campaign=campaign, **wanted)
    return {f"liuke-{campaign.pk}-{pk}" for pk in found.values_list("customer_id", flat=True)}


def test_where_keys_are_honoured_everybody_gets_it_once(crew: Crew, far: FarSides) -> None:
    campaign = begin("webhook")

    assert let_them_die(crew) == KILLS
    assert broken_promises() == []
    finish(campaign)

    ledger = far.ledger()
    assert campaign.state == CampaignState.DONE
    assert keys(campaign, state="sent") == ledger["sent"].keys()
    assert len(ledger["sent"]) == PEOPLE
    assert set(ledger["sent"].values()) == {1}
    assert ledger["repeated"], "lost answers and kills must have made letters go again"
    assert broken_promises() == []


def test_where_nobody_can_be_asked_nothing_is_sent_twice_and_all_doubt_is_shown(
    crew: Crew, far: FarSides
) -> None:
    campaign = begin("email")

    assert let_them_die(crew) == KILLS
    finish(campaign)

    sent = far.ledger()["sent"]
    unclear = keys(campaign, state="unclear")
    assert max(sent.values()) == 1
    assert keys(campaign, state="sent") <= sent.keys()
    assert sent.keys() - keys(campaign, state="sent") <= unclear
    assert keys(campaign, state="sent") | unclear == keys(campaign)
    assert len(unclear) < PEOPLE * 0.1 + KILLS * 60
    assert campaign.state == CampaignState.WAITING
    assert broken_promises() == []


def test_celerys_workers_do_the_same(crew: Crew, far: FarSides) -> None:
    campaign = begin("webhook")

    for _kill in range(3):
        crew.start("worker-bulk")
        before = Delivery.objects.filter(campaign=campaign, state="sent").count()
        rung = {"at": 0.0}

        def moves(before: int = before, rung: dict[str, float] = rung) -> bool:
            if time.monotonic() > rung["at"] + 1:
                ring_for_due(now=timezone.now())
                rung["at"] = time.monotonic()
            return Delivery.objects.filter(campaign=campaign, state="sent").count() > before

        until(moves, what="letters that are sent")
        crew.kill("worker-bulk")
    crew.start("worker-bulk")
    wait_until_sent(campaign)

    ledger = far.ledger()
    assert len(ledger["sent"]) == PEOPLE
    assert set(ledger["sent"].values()) == {1}
    assert keys(campaign, state="sent") == ledger["sent"].keys()
