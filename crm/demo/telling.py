"""The demo from the company's first row to the log-ins at the end."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

from django.utils import timezone

from connectors.wecom.sandbox.client import SandboxControl
from crm.demo.company import load_company
from crm.demo.report import Book
from crm.demo.stage import Stage
from crm.demo.story import is_told, measure_again, play, show
from crm.demo.terminal import Terminal

_ROLES = {"guide": "guide", "manager": "manager", "marketer": "marketer", "admin": "administrator"}


def tell(
    *,
    address: str,
    book: Path,
    passwords: Mapping[str, str],
    sandbox_url: str,
    terminal: Terminal,
    pause: Callable[[float], bool],
    once: bool,
) -> bool:
    """Load the company, play the story, show the reports; returns whether every figure is right.

    Without ``sandbox_url`` the channel is somebody else's stand-in, which only it can move. What
    was played before is not played again: its reports are shown from the ``book``, or with
    ``once`` measured anew. Raises ``Stopped`` when ``pause`` says that the user wants to stop.
    """
    company = load_company(timezone.now(), passwords.__getitem__)
    control = SandboxControl(sandbox_url) if sandbox_url else None
    with control or nullcontext():
        stage = Stage(company, terminal, control, pause)
        kept = Book(book)
        if is_told(kept):
            terminal.say(
                "The story was played before: " + ("measured anew" if once else "its reports")
            )
            if once:
                measure_again(stage, kept)
        else:
            terminal.say(f"look around meanwhile: {address} (enter as anybody with one click)")
            play(stage, kept)
        right = show(stage, kept)
    _announce(terminal, address, passwords)
    if not once:
        terminal.say()
        terminal.say("Serving until Ctrl-C.")
    return right


def _announce(terminal: Terminal, address: str, passwords: Mapping[str, str]) -> None:
    rows = [("address", address)]
    rows += [(f"{_ROLES[name]}", f"{name} / {password}") for name, password in passwords.items()]
    terminal.table("Look around: one click on the sign-in page, or user name / password", rows)
