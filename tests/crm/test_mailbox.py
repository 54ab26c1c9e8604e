"""The mailbox of bounces and answers: real letters over SMTP, what comes back over IMAP, and all that breaks."""

import re
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime as email_date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.actions.pump import pump_campaign
from campaigns.enums import CampaignState, DeliveryState
from campaigns.models import Delivery, Engagement
from campaigns.tracking.tokens import TokenUse, maker
from config import env
from connectors.smtp.mailbox import Mailbox, MailboxAddress
from contacts.enums import CallbackState, IdentityKind
from contacts.models import Callback, Consent, ConsentEntry, Identity, Interaction
from crm.actions import mailbox as reading_mailbox
from crm.actions.mailbox import mailboxes_to_read, read_mailbox
from crm.actions.sweeping import do_what_is_due, ring_for_due
from crm.invariants import waiting_for_people
from crm.models import MailboxReading
from tests.builders import make_batch, make_campaign, make_customer, make_erased, make_identity
from tests.certificates import certificate
from tests.gateways import open_mail_server
from tests.mailboxes import MailboxServer, open_mailbox_server
from tests.returned import answer, complaint, note, postfix, wish

pytestmark = pytest.mark.django_db

MAIL = "chen@mail.example"


@pytest.fixture
def box(settings: Any) -> Iterator[MailboxServer]:
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1:9", "Shop <news@shop.example>"
    with open_mailbox_server() as server:
        settings.MAILBOX_URL = server.url()
        yield server


def sent_to(name: str = "Chen", address: str = MAIL) -> Delivery:
    """A letter that has gone out to somebody."""
    customer = make_customer(name)
    make_identity(customer, address, kind=IdentityKind.EMAIL)
    campaign = make_campaign(channel="email", state=CampaignState.DONE)
    make_batch(campaign, [customer], delivery_state=DeliveryState.SENT)
    Delivery.objects.filter(campaign=campaign).update(address=address)
    return Delivery.objects.get(campaign=campaign)


def mark_of(delivery: Delivery) -> str:
    """What stands in the letter's Message-ID."""
    word = maker(TokenUse.RETURN, delivery.campaign_id)(delivery.customer_id)
    return f"liuke-{delivery.campaign_id}-{delivery.customer_id}.{word}"


def read() -> int:
    """Read the mailbox as the sweeper has it read, and take up what was told."""
    now = timezone.now()
    MailboxReading.objects.update(next_turn_at=now)
    done = sum(read_mailbox(pk, now=now) for pk in mailboxes_to_read(now))
    do_what_is_due(now=timezone.now())
    return done


def fate(delivery: Delivery) -> tuple[str, str]:
    delivery.refresh_from_db()
    return delivery.state, delivery.reason


def row() -> MailboxReading:
    return MailboxReading.objects.get()


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


# --- answers ------------------------------------------------------------------------------------


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


# --- what breaks --------------------------------------------------------------------------------


def only(word: str, act: str, *, times: int = 1) -> Callable[[str], str]:
    left = [act] * times

    def choose(command: str) -> str:
        return left.pop() if word in command and left else ""

    return choose


BREAKS = [
    (word, act)
    for word in ("LOGIN", "SELECT", "SEARCH", "FETCH 1", "STORE 1", "FETCH 2")
    for act in ("drop", "drop after", "no")
    if (word, act) != ("STORE 1", "no")  # that breaks nothing: see below
]


@pytest.mark.parametrize(("word", "act"), BREAKS)
def test_connection_that_breaks_loses_nothing_and_tells_nothing_twice(
    box: MailboxServer, word: str, act: str
) -> None:
    chen, zhao = sent_to(), sent_to("Zhao", "zhao@mail.example")
    box.put(complaint(mark_of(chen)), postfix(mark_of(zhao)))
    box.act = only(word, act)

    read()
    assert row().failures == 1
    assert row().error
    assert row().turn_token is None
    assert row().next_turn_at > timezone.now() + timedelta(seconds=30)
    read()

    assert fate(zhao) == ("failed", "bounced")
    assert ConsentEntry.objects.count() == 1
    assert Callback.objects.filter(state=CallbackState.DONE).count() == 2
    assert box.unread == []
    assert (row().failures, row().error) == (0, "")


@pytest.mark.parametrize("word", ["STORE 1", "MOVE 1"])
def test_mail_that_is_not_put_aside_stops_nobody_and_is_tried_again(
    box: MailboxServer, settings: Any, word: str
) -> None:
    settings.MAILBOX_URL = box.url(query="?done=Done")
    names = ("a", "b", "c")
    letters = [sent_to(name, f"{name}@mail.example") for name in names]
    box.put(*[postfix(mark_of(letter)) for letter in letters])
    box.act = only(word, "no", times=2)

    assert read() == 3
    assert {fate(letter) for letter in letters} == {("failed", "bounced")}
    assert (row().error, row().failures, row().unmoved) == ("", 0, [1])
    assert [*box.mails] == [1]
    read()

    box.act = lambda _line: ""
    read()
    assert (row().error, row().unmoved, [*box.mails]) == ("", [], [])
    assert len(box.moved['"Done"']) == 3
    assert len([line for line in box.asked if "FETCH" in line]) == 3, "each was read once"
    assert Callback.objects.count() == 3


def test_mails_that_a_server_never_moves_are_not_remembered_without_end(
    box: MailboxServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_mailbox, "MOST_UNMOVED", 2)
    monkeypatch.setattr(reading_mailbox, "TRIES_AGAIN", 1)
    settings.MAILBOX_URL = box.url(query="?done=Done")
    box.put(*[postfix(mark_of(sent_to(name, f"{name}@mail.example"))) for name in "abc"])
    box.act = only("MOVE", "no", times=99)

    read()
    assert row().unmoved == [2, 3]
    read()
    assert row().unmoved == [3, 2], "the one that was tried waits behind the others"
    box.validity = 8
    read()
    assert row().unmoved == []


@pytest.mark.parametrize(
    "act",
    ["huge", "* SEARCH x y 99999999999999999999 \r\nTAG OK", "garbage", "\0\0\0", "* 1 FETCH ({5}"],
)
@pytest.mark.parametrize("word", ["SEARCH", "FETCH", "STORE", "SELECT", "CAPABILITY"])
def test_server_that_talks_nonsense_is_left_in_peace_for_a_while(
    box: MailboxServer, monkeypatch: pytest.MonkeyPatch, word: str, act: str
) -> None:
    monkeypatch.setattr("connectors.smtp.mailbox.SECONDS", 0.3)
    chen = sent_to()
    box.put(postfix(mark_of(chen)))
    box.act = only(word, act, times=9)

    read()
    box.act = only("", "", times=0)
    MailboxReading.objects.update(last_uid=0)
    read()

    assert fate(chen) == ("failed", "bounced")
    assert (row().failures, row().turn_token) == (0, None)


def test_worker_that_dies_between_writing_down_and_marking_loses_nothing(
    box: MailboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chen = sent_to()
    box.put(complaint(mark_of(chen)))

    class Killed(BaseException):
        """As ``kill`` ends a worker."""

    def die(_mailbox: Mailbox, _uid: int) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Mailbox, "put_aside", die)
        with pytest.raises(Killed):
            read()
    assert Callback.objects.count() == 1
    assert box.unread == [1]
    assert (row().last_uid, row().failures) == (0, 1)

    read()

    assert ConsentEntry.objects.count() == 1
    assert Callback.objects.get().state == CallbackState.DONE
    assert box.unread == []


def test_wrong_password_lets_the_mailbox_rest_and_is_shown(
    box: MailboxServer, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MAILBOX_URL = box.url(password="wrong-one")
    box.put(postfix(mark_of(sent_to())))

    for _thrice in range(3):
        read()

    assert "does not let us in" in row().error
    assert row().next_turn_at > timezone.now() + timedelta(minutes=14)
    assert mailboxes_to_read(timezone.now()) == []
    assert box.unread == [1]
    assert "wrong-one" not in caplog.text + row().error + row().name
    waiting = {str(words): n for words, n in waiting_for_people()}
    assert waiting["mailboxes that cannot be read"] == 1


def test_server_that_is_not_there(settings: Any) -> None:
    settings.MAILBOX_URL = "imap://bounces:x@127.0.0.1:9/INBOX"

    read()

    assert "no connection" in row().error


def test_numbers_begin_again_when_the_server_says_so(box: MailboxServer) -> None:
    box.put(*[note()] * 5)
    read()
    box.mails.clear()
    box.validity = 8
    chen = sent_to()
    box.put(postfix(mark_of(chen)))

    read()

    assert fate(chen) == ("failed", "bounced")
    assert (row().validity, row().last_uid) == (8, 1)


def test_mail_that_is_gone_before_it_is_fetched_stops_nobody(box: MailboxServer) -> None:
    chen = sent_to()
    box.put(note(), postfix(mark_of(chen)))
    box.act = only("FETCH 1", "TAG OK nothing")

    read()

    assert fate(chen) == ("failed", "bounced")


# --- turns --------------------------------------------------------------------------------------


def test_one_worker_at_a_time_reads(box: MailboxServer) -> None:
    box.put(postfix(mark_of(sent_to())))
    now = timezone.now()
    [pk] = mailboxes_to_read(now)
    MailboxReading.objects.update(
        turn_token="8c2f9f0e-8f0b-4f53-9d0e-3d6f0a0e4a11", turn_until=now + timedelta(minutes=1)
    )

    assert mailboxes_to_read(now) == []
    assert read_mailbox(pk, now=now) == 0
    assert box.asked == []
    assert read_mailbox(pk, now=now + timedelta(minutes=2)) == 1


def test_worker_whose_turn_was_taken_over_stops(
    box: MailboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.put(note(), note(), note())
    plain = Mailbox.fetch

    def slow(mailbox: Mailbox, uid: int) -> bytes | None:
        MailboxReading.objects.update(turn_token="8c2f9f0e-8f0b-4f53-9d0e-3d6f0a0e4a11")
        return plain(mailbox, uid)

    monkeypatch.setattr(Mailbox, "fetch", slow)

    assert read() == 1

    assert row().turn_token is not None
    assert row().last_uid == 0


def test_turn_that_is_over_goes_on_at_once(
    box: MailboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_mailbox, "SLICE", 0.0)
    box.put(note())

    assert read() == 0

    assert mailboxes_to_read(timezone.now()) == [row().pk]


@pytest.mark.django_db(transaction=True)
def test_sweeper_rings_for_the_mailbox(
    box: MailboxServer, rung: Callable[[], list[tuple[str, list[int]]]]
) -> None:
    ring_for_due(now=timezone.now())

    assert ("crm.tasks.read_mailbox", [row().pk]) in rung()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_said_to_the_server_inside_a_transaction(
    box: MailboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.put(postfix(mark_of(sent_to())))
    plain = Mailbox._uid
    said: list[bool] = []

    def watch(mailbox: Mailbox, command: str, *words: str) -> list[Any]:
        said.append(connection.in_atomic_block)
        return plain(mailbox, command, *words)

    monkeypatch.setattr(Mailbox, "_uid", watch)

    read()

    assert said == [False] * 3


def test_without_a_mailbox_there_is_nothing_to_do(settings: Any) -> None:
    settings.MAILBOX_URL = ""

    assert mailboxes_to_read(timezone.now()) == []
    assert not MailboxReading.objects.exists()


def test_row_of_a_mailbox_of_before_is_not_read(box: MailboxServer, settings: Any) -> None:
    now = timezone.now()
    [pk] = mailboxes_to_read(now)
    settings.MAILBOX_URL = box.url().replace("bounces:", "others:")

    assert read_mailbox(pk, now=now) == 0
    assert box.asked == []


# --- addresses and encryption -------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["imap://u:p@mail.example/INBOX", "http://u:p@mail.example", "imaps://mail.example/INBOX",
     "imaps://", "mail.example", "imaps://u:p@mail.example/%E5%B7%B2", "imap://u:p@10.0.0.1/"],
)  # fmt: skip
def test_address_that_makes_no_sense_or_is_open_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILBOX_URL", url)

    with pytest.raises(ValueError, match="MAILBOX_URL"):
        MailboxAddress(url)
    with pytest.raises(env.BadSetting, match="MAILBOX_URL"):
        env.mailbox("MAILBOX_URL")


@pytest.mark.parametrize(
    "url", ["imaps://u%40x:p%2Fq@mail.example", "imap+tls://u:p@mail.example:1143/A%20B?done=C",
            "imap://u:p@127.0.0.1:1143/INBOX", "imap://u:p@localhost"],
)  # fmt: skip
def test_address_that_is_good(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILBOX_URL", url)

    assert env.mailbox("MAILBOX_URL") == url
    assert MailboxAddress(url).name


ENCRYPTED = [("imaps", False), ("imap+tls", True)]


@pytest.mark.parametrize(("scheme", "starts_plain"), ENCRYPTED)
def test_server_with_a_bad_certificate_gets_no_password(
    tmp_path: Path, settings: Any, scheme: str, *, starts_plain: bool
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate(tmp_path))
    with open_mailbox_server(tls, starts_plain=starts_plain) as server:
        settings.MAILBOX_URL = server.url(scheme)

        read()

        assert "certificate" in row().error
        assert not [command for command in server.asked if "LOGIN" in command]


@pytest.mark.parametrize(("scheme", "starts_plain"), ENCRYPTED)
def test_mailbox_is_read_over_an_encrypted_line(
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    *,
    starts_plain: bool,
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = certificate(tmp_path)
    tls.load_cert_chain(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    chen = sent_to()
    with open_mailbox_server(tls, starts_plain=starts_plain) as server:
        settings.MAILBOX_URL = server.url(scheme)
        server.put(postfix(mark_of(chen)))

        read()

        assert row().error == ""
        assert fate(chen) == ("failed", "bounced")
        assert server.unread == []


def test_server_that_cannot_encrypt_gets_no_password(box: MailboxServer, settings: Any) -> None:
    settings.MAILBOX_URL = box.url("imap+tls")

    read()

    assert row().error
    assert not [command for command in box.asked if "LOGIN" in command]
