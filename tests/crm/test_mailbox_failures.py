"""What breaks while the mailbox is read, whose turn it is, and how the server is reached."""

import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from config import env
from connectors.smtp.mailbox import Mailbox, MailboxAddress
from contacts.enums import CallbackState
from contacts.models import Callback, ConsentEntry
from crm.actions import mailbox as reading_mailbox
from crm.actions.mailbox import mailboxes_to_read, read_mailbox
from crm.actions.sweeping import ring_for_due
from crm.invariants import waiting_for_people
from crm.models import MailboxReading
from tests.certificates import certificate
from tests.crm.mailbox import only, read, row
from tests.mailboxes import MailboxServer, open_mailbox_server
from tests.returned import complaint, note, postfix
from tests.sent_letters import fate, mark_of, sent_to

pytestmark = pytest.mark.django_db


# --- what breaks --------------------------------------------------------------------------------


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
