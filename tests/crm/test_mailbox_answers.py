"""Answers to letters, read from the mailbox."""

from datetime import timedelta
from email.utils import format_datetime as email_date

import pytest
from django.utils import timezone

from campaigns.models import Engagement
from contacts.models import Callback, Consent, ConsentEntry, Interaction
from crm.models import MailboxReading
from tests.builders import make_erased
from tests.crm.mailbox import read, row
from tests.mailboxes import MailboxServer
from tests.returned import answer
from tests.sent_letters import fate, mark_of, sent_to

pytestmark = pytest.mark.django_db


def test_answer_counts_once_and_stands_on_the_timeline(box: MailboxServer) -> None:
    chen = sent_to()
    written = email_date(timezone.now() - timedelta(hours=1))
    box.put(
        answer(mark_of(chen), "In blue?\n\nOn Monday Shop wrote:\n> Coats\n", Date=written),
        answer(mark_of(chen), "<b>Or</b> green?", Date=written),
    )

    assert read() == 2
    MailboxReading.objects.update(last_uid=0)
    assert read() == 2

    assert fate(chen)[0] == "replied"
    said = Interaction.objects.order_by("pk").values_list("customer_id", "kind", "text")
    assert list(said) == [
        (chen.customer_id, "chat", "In blue?"),
        (chen.customer_id, "chat", "<b>Or</b> green?"),
    ]
    [engagement] = Engagement.objects.all()
    assert (engagement.kind, engagement.count) == ("replied", 1)
    assert not ConsentEntry.objects.exists()
    assert box.unread == [1, 2]
    assert (row().replies, row().receipts, row().others) == (4, 0, 0)


def test_words_of_an_answer_are_kept_on_the_timeline_only(box: MailboxServer) -> None:
    box.put(answer(mark_of(sent_to()), "In blue?"))

    read()

    assert Callback.objects.get().body == ""


@pytest.mark.parametrize(
    "text",
    ["TD", "\n退订。\n\n陈\n1380000\n", "stop\n\nSent from my phone", "> Our coats\n\nＳＴＯＰ\n",
     "TD\n\n-----Original Message-----\nFrom: Shop\n"],
)  # fmt: skip
def test_keyword_as_the_first_line_ends_advertising(box: MailboxServer, text: str) -> None:
    chen = sent_to()
    box.put(answer(mark_of(chen), text))

    read()

    assert (
        list(ConsentEntry.objects.values_list("customer_id", "channel", "source", "granted"))
        == [(chen.customer_id, "", "keyword", False)] * 2
    )
    assert set(ConsentEntry.objects.values_list("purpose", flat=True)) == {"campaign", "care"}
    assert fate(chen)[0] == "replied"


@pytest.mark.parametrize(
    "text", ["Please do not stop", "Hello\nTD", "stop by on Monday", "> TD\n\nwhat is this?"]
)
def test_keyword_among_other_words_is_none(box: MailboxServer, text: str) -> None:
    chen = sent_to()
    box.put(answer(mark_of(chen), text))

    read()

    assert not ConsentEntry.objects.exists()
    assert fate(chen)[0] == "replied"


def test_start_takes_back_what_a_keyword_ended(box: MailboxServer) -> None:
    chen = sent_to()
    box.put(answer(mark_of(chen), "TD"))
    read()
    box.put(answer(mark_of(chen), "START\n\nChen"))
    read()

    assert [entry.granted for entry in ConsentEntry.objects.order_by("pk")] == [
        *[False] * 2,
        *[True] * 2,
    ]
    assert set(Consent.objects.filter(granted=True).values_list("channel", flat=True)) == {"email"}


def test_answer_of_a_machine_or_without_our_mark_counts_for_nothing(box: MailboxServer) -> None:
    chen, zhao = sent_to(), sent_to("Zhao", "zhao@mail.example")
    key, _, word = mark_of(zhao).partition(".")
    box.put(
        answer(mark_of(chen), "TD", Auto_Submitted="auto-replied"),
        answer(f"liuke-{chen.campaign_id}-{chen.customer_id}.{word}", "TD"),
        answer(f"{key}.{'A' * len(word)}", "TD"),
        answer(key, "TD"),
    )

    read()

    assert {fate(chen), fate(zhao)} == {("sent", "")}
    assert not ConsentEntry.objects.exists()
    assert not Interaction.objects.exists()
    assert not Engagement.objects.exists()
    assert (row().replies, row().unproven, row().others) == (0, 2, 2)
    assert box.unread == [1, 2, 3, 4]


def test_answer_of_somebody_who_was_erased_is_kept_nowhere(box: MailboxServer) -> None:
    chen = sent_to()
    mark = mark_of(chen)
    make_erased(chen.customer)
    box.put(answer(mark, "TD"))

    read()

    assert not Interaction.objects.exists()
    assert not ConsentEntry.objects.exists()
