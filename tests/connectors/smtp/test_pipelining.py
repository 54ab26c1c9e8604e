"""The envelope of the next letter leaves with the mail of the one before (RFC 2920, 3.1)."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connectors.base import Answer, Letter, Outcome
from connectors.smtp.channel import MailChannel
from tests.certificates import certificate
from tests.gateways import MailServer, open_mail_server

FIRST, SECOND, THIRD = "p1@example.com", "p2@example.com", "p3@example.com"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with open_mail_server() as opened:
        yield opened


def send(server: MailServer, *addresses: str) -> dict[str, Answer]:
    """Send a letter to each over one connection at a time; return the answers by address."""
    with closing(channel_to(server)) as channel:
        return {answer.key: answer for answer in channel.send(map(letter_to, addresses))}


def channel_to(server: MailServer, *, scheme: str = "smtp", connections: int = 1) -> MailChannel:
    url = f"{scheme}://127.0.0.1:{server.port}?connections={connections}"
    return MailChannel(url, sender="Shop <news@shop.example>")


def letter_to(address: str) -> Letter:
    return Letter(address, address, f"Dear {address}", "Spring")


def got(server: MailServer) -> list[str]:
    return [address for address, _mail in server.mails]


def only(address: str, said: str, other: str = "250 2.0.0 taken") -> Callable[[str], str]:
    return lambda one: said if one == address else other


def test_every_letter_gets_its_own_words(server: MailServer) -> None:
    answers = send(server, FIRST, SECOND, THIRD)

    assert {answer.outcome for answer in answers.values()} == {Outcome.TAKEN}
    assert got(server) == [FIRST, SECOND, THIRD]
    assert all(f"Dear {address}" in mail for address, mail in server.mails)
    assert server.connections == 1


def test_of_a_connection_that_breaks_after_the_dot_only_the_mail_is_in_doubt(
    server: MailServer,
) -> None:
    server.after_mail = only(FIRST, "lose")

    answers = send(server, FIRST, SECOND, THIRD)

    assert answers[FIRST].outcome is Outcome.UNCLEAR
    assert answers[SECOND].outcome is Outcome.BUSY
    assert answers[THIRD].outcome is Outcome.TAKEN
    assert got(server) == [FIRST, THIRD]


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("451 4.3.0 local error", Outcome.BUSY),
        ("554 5.7.1 looks like spam", Outcome.REFUSED),
    ],
)
def test_a_mail_that_is_refused_is_not_the_next_ones_matter(
    server: MailServer, said: str, outcome: Outcome
) -> None:
    server.after_mail = only(FIRST, said)

    answers = send(server, FIRST, SECOND)

    assert answers[FIRST].outcome is outcome
    assert answers[SECOND].outcome is Outcome.TAKEN
    assert got(server) == [SECOND]


def test_a_next_recipient_who_is_refused_is_not_the_mails_matter(server: MailServer) -> None:
    server.reply_to = lambda line: "550 5.1.1 unknown" if SECOND in line else ""

    answers = send(server, FIRST, SECOND, THIRD)

    assert answers[FIRST].outcome is Outcome.TAKEN
    assert answers[SECOND].outcome is Outcome.REFUSED
    assert answers[THIRD].outcome is Outcome.TAKEN
    assert got(server) == [FIRST, THIRD]


def test_a_server_that_says_goodbye_takes_neither(server: MailServer) -> None:
    server.after_mail = only(FIRST, "421 4.3.2 shutting down")

    answers = send(server, FIRST, SECOND, THIRD)

    assert answers[FIRST].outcome is Outcome.BUSY
    assert answers[SECOND].outcome is Outcome.BUSY
    assert answers[THIRD].outcome is Outcome.TAKEN
    assert got(server) == [THIRD]
    assert server.connections == 2


def test_server_that_says_goodbye_to_an_envelope_takes_nothing_for_now(server: MailServer) -> None:
    """Whoever sends too much is told so there, and the connection ends before all is answered."""
    server.reply_to = lambda line: "421 4.7.0 too many" if line.startswith("MAIL") else ""

    (answer,) = send(server, FIRST).values()

    assert answer.outcome is Outcome.BUSY
    assert answer.is_channel
    assert "421 4.7.0" in answer.why


def test_nothing_is_asked_twice_of_a_server_whose_replies_come_in_pieces(
    server: MailServer,
) -> None:
    asked: list[str] = []
    server.pipelining, server.in_pieces = False, True
    server.reply_to = lambda line: asked.append(line[:4]) or ""  # type: ignore[func-returns-value]

    answers = send(server, FIRST, SECOND)

    assert {answer.outcome for answer in answers.values()} == {Outcome.TAKEN}
    assert asked[:7] == ["ehlo", *2 * ["MAIL", "RCPT", "DATA"]]
    assert asked[7:] in ([], ["QUIT"])  # the last word is not waited for


def test_server_that_wants_no_mail_gets_none(server: MailServer) -> None:
    """Whatever is not 354 is no request for a mail: it would be read as commands."""
    server.reply_to = lambda line: "250 fine" if line == "DATA" else ""

    (answer,) = send(server, FIRST).values()

    assert answer.outcome is Outcome.BUSY
    assert server.connections == 1


def test_rest_of_a_mail_that_was_refused_midway_is_not_the_next_ones_beginning(
    server: MailServer,
) -> None:
    """The server reads on until the last dot; whatever came instead would be part of that mail."""
    server.amid_mail = only(FIRST, "552 5.3.4 too big", "")
    long = Letter(FIRST, FIRST, "Dear Chen\n" * 2_000_000, "Spring")
    answers: dict[str, Answer] = {}

    def one_after_the_other() -> Iterator[Letter | None]:
        yield long
        while FIRST not in answers:
            yield None
        yield letter_to(SECOND)

    with closing(channel_to(server)) as channel:
        for answer in channel.send(one_after_the_other()):
            answers[answer.key] = answer

    assert answers[FIRST].outcome is Outcome.REFUSED
    assert answers[SECOND].outcome is Outcome.TAKEN
    assert got(server) == [SECOND]


def test_what_a_server_says_before_it_hangs_up_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over an encrypted line the reply and the end are read at once."""
    path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    with (
        open_mail_server(tls) as server,
        closing(channel_to(server, scheme="smtps", connections=2)) as channel,
    ):
        server.after_mail = lambda _recipient: (
            "250 2.0.0 taken" if server.mails else "250 2.0.0 taken\r\n421 4.7.0 enough"
        )

        def letters() -> Iterator[Letter]:
            yield from map(letter_to, (FIRST, SECOND, THIRD))
            while not server.ended:
                time.sleep(0.01)
            yield letter_to("p4@example.com")

        answers = {answer.key: answer.outcome for answer in channel.send(letters())}

    taken = [key for key, outcome in answers.items() if outcome is Outcome.TAKEN]
    assert sorted(taken) == sorted(got(server))
    assert [outcome for outcome in answers.values() if outcome is not Outcome.TAKEN] == [
        Outcome.BUSY
    ]


def test_a_letter_that_had_to_wait_leaves_only_if_it_still_may(server: MailServer) -> None:
    server.wait = 0.7
    channel = MailChannel(
        f"smtp://127.0.0.1:{server.port}?connections=1", sender="Shop <news@shop.example>"
    )
    asked: list[str] = []

    def may_go(key: str) -> bool:
        asked.append(key)
        return key != SECOND

    letters = [
        Letter(address, address, f"Dear {address}", "Spring", may_go=may_go)
        for address in (FIRST, SECOND, THIRD)
    ]
    with closing(channel):
        answers = {answer.key: answer.outcome for answer in channel.send(letters)}

    assert answers == {FIRST: Outcome.TAKEN, SECOND: Outcome.BUSY, THIRD: Outcome.TAKEN}
    assert got(server) == [FIRST, THIRD]
    assert asked == [SECOND]
