"""A worker is killed while it reads the mailbox of bounces; the next one goes on."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from campaigns.enums import BatchState, DeliveryState
from campaigns.models import Batch, Campaign
from contacts.models import Callback, ConsentEntry
from crm.actions.mailbox import LEASE, mailboxes_to_read, read_mailbox
from crm.actions.sweeping import do_what_is_due
from crm.models import MailboxReading
from tests.builders import NOON
from tests.faults.crew import Crew
from tests.faults.dying import POINTS
from tests.faults.stories import broken_promises
from tests.faults.test_retention_crashes import crash
from tests.mailboxes import MailboxServer, open_mailbox_server
from tests.returned import complaint, postfix
from tests.sent_letters import mark_of, sent_to

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def box(settings: Any) -> Iterator[MailboxServer]:
    with open_mailbox_server() as server:
        settings.MAILBOX_URL = server.url()
        yield server


@pytest.mark.parametrize("point", POINTS["read_mailbox"])
def test_what_came_back_is_taken_up_once(crew: Crew, box: MailboxServer, point: str) -> None:
    chen, zhao = sent_to(), sent_to("Zhao", "zhao@mail.example")
    Campaign.objects.update(recipients=1, skipped=0)
    Batch.objects.update(state=BatchState.DONE, done_at=NOON)
    assert broken_promises() == []
    box.put(complaint(mark_of(chen)), postfix(mark_of(zhao)))
    [pk] = mailboxes_to_read(timezone.now())

    crash(crew, "read_mailbox", point, pk)

    stored = Callback.objects.count()
    assert stored == (0 if point == "in_storing" else 1)
    assert len(box.unread) >= 2 - stored, "nothing is marked that is not stored"
    assert mailboxes_to_read(timezone.now()) == [], "the one who died still has the turn"
    MailboxReading.objects.update(turn_until=F("turn_until") - LEASE)
    assert read_mailbox(pk, now=timezone.now()) > 0
    do_what_is_due(now=timezone.now())

    zhao.refresh_from_db()
    assert zhao.state == DeliveryState.FAILED
    assert ConsentEntry.objects.count() == 1
    assert Callback.objects.count() == 2
    assert box.unread == []
    assert broken_promises() == []
