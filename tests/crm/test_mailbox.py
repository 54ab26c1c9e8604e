"""The mailbox of bounces: real letters over SMTP, what comes back over IMAP, and what is left alone."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions.pump import pump_campaign
from campaigns.enums import CampaignState
from campaigns.models import Delivery
from campaigns.tracking.tokens import TokenUse, maker
from contacts.enums import IdentityKind
from contacts.models import Callback, ConsentEntry, Identity
from crm.actions.mailbox import mailboxes_to_read, read_mailbox
from tests.builders import make_batch, make_campaign, make_customer, make_identity
from tests.crm.mailbox import only, read, row
from tests.gateways import open_mail_server
from tests.mailboxes import MailboxServer
from tests.returned import complaint, note, postfix, wish
from tests.sent_letters import MAIL, fate, mark_of, sent_to

pytestmark = pytest.mark.django_db


# --- the whole way ------------------------------------------------------------------------------


def test_letter_that_goes_out_can_be_told_of_when_it_comes_back(
    box: MailboxServer, settings: Any
) -> None:
    chen = make_customer("Chen")
    make_identity(chen, MAIL, kind=IdentityKind.EMAIL)
    campaign = make_campaign(channel="email", state=CampaignState.SENDING, subject="Spring")
    make_batch(campaign, [chen])
    Delivery.objects.update(address=MAIL)
    settings.MAIL_RETURN_TO = "bounces@shop.example"
    froms: list[str] = []

    def listen(line: str) -> str:
        froms.extend(re.findall("MAIL FROM:<(.+)>", line))
        return ""

    with open_mail_server() as mail_server:
        settings.EMAIL_URL = mail_server.url
        mail_server.reply_to = listen
        pump_campaign(campaign.pk)
    [(_recipient, letter)] = mail_server.mails
    [mark] = re.findall(r"Message-ID: <(.+)@shop.example>", letter)
    box.put(postfix(mark))

    read()

    assert froms == ["bounces@shop.example"]
    assert f"<mailto:bounces@shop.example?subject=unsubscribe%20{mark}>" in letter
    assert fate(Delivery.objects.get()) == ("failed", "bounced")
    assert Identity.objects.get(kind=IdentityKind.EMAIL).dead_at is not None


def test_bounces_complaints_and_wishes_are_taken_up(box: MailboxServer) -> None:
    chen, zhao, wu, li = (sent_to(name, f"{name}@mail.example") for name in ("a", "b", "c", "d"))
    box.put(
        postfix(mark_of(chen)),
        postfix(mark_of(zhao), status="5.2.2"),
        complaint(mark_of(wu)),
        wish(mark_of(li)),
    )

    assert read() == 4

    assert fate(chen) == ("failed", "bounced")
    assert fate(zhao) == ("failed", "undelivered")
    words = ConsentEntry.objects.order_by("pk").values_list("customer_id", "channel", "source")
    assert list(words) == [
        (wu.customer_id, "email", "complained"),
        (li.customer_id, "", "unsubscribed"),
        (li.customer_id, "", "unsubscribed"),
    ]
    dead = Identity.objects.exclude(dead_at=None).values_list("customer_id", flat=True)
    assert list(dead) == [chen.customer_id]
    assert box.unread == []
    assert (row().receipts, row().unproven, row().others, row().error) == (4, 0, 0, "")


def test_mails_are_read_once(box: MailboxServer) -> None:
    box.put(postfix(mark_of(sent_to())))
    read()
    asked = len(box.asked)

    assert read() == 0

    assert not [command for command in box.asked[asked:] if "FETCH" in command]
    assert Callback.objects.count() == 1


def test_reader_does_not_come_before_its_time(box: MailboxServer) -> None:
    now = timezone.now()

    assert [read_mailbox(pk, now=now) for pk in mailboxes_to_read(now)] == [0]
    assert mailboxes_to_read(timezone.now()) == []
    assert mailboxes_to_read(timezone.now() + timedelta(minutes=2)) == [row().pk]


def test_mails_that_are_done_are_moved_where_wanted(box: MailboxServer, settings: Any) -> None:
    settings.MAILBOX_URL = box.url(query="?done=Done")
    box.put(postfix(mark_of(sent_to())), note())

    read()

    assert [*box.moved] == ['"Done"']
    assert [mail.raw for mail in box.mails.values()] == [note()]


def test_server_that_cannot_move_mails_has_them_marked(box: MailboxServer, settings: Any) -> None:
    settings.MAILBOX_URL = box.url(query="?done=Done")
    box.capabilities = "IMAP4rev1"
    box.put(postfix(mark_of(sent_to())))

    read()

    assert (box.unread, box.moved) == ([], {'"Done"': []})


def test_folder_that_is_not_there_yet_is_made(box: MailboxServer, settings: Any) -> None:
    settings.MAILBOX_URL = box.url(query="?done=Done")
    box.moved.clear()
    box.put(postfix(mark_of(sent_to())), postfix(mark_of(sent_to("Zhao", "zhao@mail.example"))))

    read()

    assert len(box.moved['"Done"']) == 2
    assert row().error == ""


def test_mail_that_is_never_given_out_does_not_stop_those_behind_it(box: MailboxServer) -> None:
    chen = sent_to()
    box.put(note(), postfix(mark_of(chen)))
    box.act = only("FETCH 1", "no", times=9)

    for _attempt in range(3):
        read()
        assert fate(chen) == ("sent", "")
    read()

    assert fate(chen) == ("failed", "bounced")
    assert row().failures == 0


# --- what is left alone -------------------------------------------------------------------------


def test_what_people_write_stays_unread_and_is_not_fetched_again(box: MailboxServer) -> None:
    box.put(note(), note())

    assert (read(), read()) == (2, 0)

    assert box.unread == [1, 2]
    assert row().others == 2
    assert not Callback.objects.exists()


@pytest.mark.parametrize("make", [postfix, complaint, wish])
def test_forged_report_is_counted_and_changes_nothing(
    box: MailboxServer, make: Callable[[str], bytes]
) -> None:
    chen, zhao = sent_to(), sent_to("Zhao", "zhao@mail.example")
    key, _, word = mark_of(zhao).partition(".")
    other_use = maker(TokenUse.UNSUBSCRIBE, chen.campaign_id)(chen.customer_id)
    box.put(
        make(f"liuke-{chen.campaign_id}-{chen.customer_id}.{word}"),
        make(f"liuke-{chen.campaign_id}-{chen.customer_id}.{other_use}"),
        make(f"{key}.{'A' * len(word)}"),
    )

    read()

    assert {fate(chen), fate(zhao)} == {("sent", "")}
    assert not ConsentEntry.objects.exists()
    assert not Identity.objects.exclude(dead_at=None).exists()
    assert not Callback.objects.exists()
    assert row().unproven == 3
    assert box.unread == [1, 2, 3]


def test_bounce_speaks_of_its_letter_whatever_address_it_names(box: MailboxServer) -> None:
    chen = sent_to()
    zhao = sent_to("Zhao", "zhao@mail.example")
    box.put(postfix(mark_of(chen)).replace(MAIL.encode(), b"zhao@mail.example"))

    read()

    assert (fate(chen), fate(zhao)) == (("failed", "bounced"), ("sent", ""))
    dead = Identity.objects.exclude(dead_at=None).values_list("value", flat=True)
    assert list(dead) == [MAIL]


def test_mark_of_a_letter_that_is_gone_touches_nobody(box: MailboxServer) -> None:
    chen = sent_to()
    raw = complaint(mark_of(chen))
    Delivery.objects.all().delete()
    box.put(raw, postfix(mark_of(chen)))

    read()

    assert not ConsentEntry.objects.exists()
    assert not Identity.objects.exclude(dead_at=None).exists()


def test_mark_made_under_the_key_of_before_still_counts(box: MailboxServer, settings: Any) -> None:
    chen = sent_to()
    box.put(postfix(mark_of(chen)))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]

    read()

    assert fate(chen) == ("failed", "bounced")


def test_mails_between_hostile_ones_are_read(box: MailboxServer) -> None:
    chen = sent_to()
    box.put(
        b"Content-Type: message/rfc822\r\n\r\n" * 8000,
        b"\xff\0" * 200_000,
        b"",
        postfix(mark_of(chen)) + b"x" * 2_000_000,
    )

    assert read() == 4

    assert fate(chen) == ("failed", "bounced")
