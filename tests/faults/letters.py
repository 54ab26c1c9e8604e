"""Letters to many people, and the far sides that take them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from django.utils import timezone

from campaigns.actions.batches import expire_leases
from campaigns.actions.campaigns import (
    create_campaign,
    plan_campaign,
    schedule_campaign,
)
from campaigns.actions.letter_lease import LONG_LEASE
from campaigns.actions.pump import pump_campaign
from campaigns.actions.wordings import Wording
from campaigns.models import Batch, Campaign, ChannelPace, Delivery, MessagingRules
from config.places import ROOT
from contacts.enums import IdentityKind
from contacts.models import Identity
from tests.builders import make_content, make_customers, make_segment, make_staff
from tests.faults.crew import until

PEOPLE = int(os.environ.get("LIUKE_FAULT_PEOPLE", "40000"))


class FarSides:
    """The gateway and the mail server of ``far_sides``, and what they got."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.far_sides", str(folder)], cwd=ROOT
        )
        until((folder / "smtp").exists, what="the far sides")

    def port(self, name: str) -> int:
        """Where one of them listens."""
        return int((self.folder / name).read_text(encoding="ascii"))

    def ledger(self) -> dict[str, dict[str, int]]:
        """How often each key was sent on, and asked for again."""
        (self.folder / "tell").touch()
        until((self.folder / "told").exists, what="the ledger")
        told: dict[str, dict[str, int]] = json.loads((self.folder / "told").read_text())
        (self.folder / "told").unlink()
        return told

    def close(self) -> None:
        """End them."""
        self._process.kill()
        self._process.wait()


def begin(channel: str, people: int = PEOPLE) -> Campaign:
    """A campaign to so many people, planned."""
    campaign = schedule(channel, people)
    plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    assert campaign.recipients == people
    return campaign


def schedule(channel: str, people: int) -> Campaign:
    """A campaign to so many people whose time has come, of a company where nobody need approve."""
    MessagingRules.objects.update_or_create(pk=1, defaults={"approval_above": None})
    customers = make_customers(people, owner=make_staff("Lin"))
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
    return campaign


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
    """The keys of the recipients that are so."""
    found = Delivery.objects.filter(campaign=campaign, **wanted)
    return {f"liuke-{campaign.pk}-{pk}" for pk in found.values_list("customer_id", flat=True)}
