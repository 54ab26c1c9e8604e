"""The envelope of the next letter leaves with the mail of the one before (RFC 2920, 3.1)."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from connectors.base import Answer, Letter, Outcome
from connectors.smtp.channel import MailChannel
from tests.gateways import MailServer, open_mail_server

FIRST, SECOND, THIRD = "p1@example.com", "p2@example.com", "p3@example.com"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with open_mail_server() as opened:
        yield opened


def send(server: MailServer, *addresses: str) -> dict[str, Answer]:
    """Send a letter to each over one connection at a time; return the answers by address."""
    channel = MailChannel(
        f"smtp://127.0.0.1:{server.port}?connections=1", sender="Shop <news@shop.example>"
    )
    letters = [Letter(address, address, f"Dear {address}", "Spring") for address in addresses]
    with closing(channel):
        return {answer.key: answer for answer in channel.send(letters)}


def got(server: MailServer) -> list[str]:
    return [address for address, _mail in server.mails]


def only(address: str, said: str) -> Callable[[str], str]:
    return lambda one: said if one == address else "250 2.0.0 taken"


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
