"""Letters to 40,000 people, while workers die every half second and the far side breaks.

Compared with the far side's ledger, recipient by recipient: nobody twice, nobody lost, and whoever
may have got a letter that nobody knows of is shown.
"""

import subprocess
import sys
import time

import pytest
from django.utils import timezone

from campaigns.enums import CampaignState
from campaigns.models import Delivery
from config.places import ROOT
from crm.actions.sweeping import ring_for_due
from tests.faults.crew import Crew, until
from tests.faults.letters import PEOPLE, FarSides, begin, finish, keys
from tests.faults.stories import broken_promises, wait_until_sent

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

KILLS = 30


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
    assert len(unclear) < PEOPLE * 0.1 + KILLS * 120
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
