"""Reading the mailbox as the sweeper has it read, from a server that misbehaves."""

from collections.abc import Callable

from django.utils import timezone

from crm.actions.mailbox import mailboxes_to_read, read_mailbox
from crm.actions.sweeping import do_what_is_due
from crm.models import MailboxReading


def read() -> int:
    """Read what has come, and take up what was told; returns how many mails were read."""
    now = timezone.now()
    MailboxReading.objects.update(next_turn_at=now)
    done = sum(read_mailbox(pk, now=now) for pk in mailboxes_to_read(now))
    do_what_is_due(now=timezone.now())
    return done


def row() -> MailboxReading:
    """What is written down of the one mailbox."""
    return MailboxReading.objects.get()


def only(word: str, act: str, *, times: int = 1) -> Callable[[str], str]:
    """Let the server do ``act`` with commands that hold this word, so many times."""
    left = [act] * times

    def choose(command: str) -> str:
        return left.pop() if word in command and left else ""

    return choose
