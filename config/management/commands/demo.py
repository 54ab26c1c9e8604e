"""`manage.py demo`: serve a demo company, and run the main job on it."""

import logging
import sys
import threading
import time
from argparse import ArgumentParser
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from config.secret import read_or_make
from config.supervisor import Interrupted, Supervisor, stop_on_signals
from config.wheels import CannotStart
from crm.demo.company import NotADemo
from crm.demo.personas import make_passwords, read_passwords
from crm.demo.stage import Stopped
from crm.demo.telling import tell
from crm.demo.terminal import Terminal


class Command(BaseCommand):
    """A thin shell over `Supervisor`, which serves, and `crm.demo`, which tells the story."""

    help = "Serve a demo company, run the main job on it and report; then serve until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Nothing but `--once`."""
        parser.add_argument(
            "--once", action="store_true", help="stop after the reports; not 0 if a figure is wrong"
        )

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        """Return when the user stops it, or after the reports when `once`."""
        terminal, began = Terminal(sys.stdout), time.monotonic()
        try:
            supervisor = Supervisor(
                settings.PLACES,
                settings.LIUKE_BIND,
                demo=True,
                say=lambda words: terminal.say(f"liuke: {words}"),
                stopping=stop_on_signals(),
            )
            with ThreadPoolExecutor(1) as stage, supervisor:
                seconds = time.monotonic() - began
                terminal.say(f"liuke: serving on {supervisor.url} after {seconds:.1f} s")
                story = stage.submit(_tell, supervisor, terminal, once=once)
                story.add_done_callback(lambda done: _stop_after(done, supervisor.stopping, once))
                supervisor.watch()
                terminal.say("liuke: stopping")
            if not story.result():
                raise CommandError("A figure of the demo is wrong; see above.")
        except (CannotStart, NotADemo) as error:
            raise CommandError(str(error)) from error
        except (Interrupted, Stopped):
            terminal.say("liuke: stopped before the end; the next start goes on from here")
            if once:
                sys.exit(1)


def _tell(supervisor: Supervisor, terminal: Terminal, *, once: bool) -> bool:
    """Tell the story in a thread of its own."""
    sandbox = supervisor.extra_environment
    for name, value in sandbox.items():
        if name.startswith("WECOM_"):
            setattr(settings, name, value)  # the sandbox was not there when the settings were read
    data = supervisor.places.data
    # What workers and connectors have to say belongs into a file, not between the lines of a report.
    logging.basicConfig(
        filename=supervisor.places.logs / "demo.log", level=logging.INFO, force=True
    )
    try:
        return tell(
            address=supervisor.url,
            book=data / "demo-reports.json",
            passwords=read_passwords(read_or_make(data / "demo-passwords.json", make_passwords)),
            sandbox_url=sandbox.get("WECOM_API_URL", "").removesuffix("/cgi-bin"),
            terminal=terminal,
            pause=supervisor.stopping.wait,
            once=once,
        )
    except Exception as error:
        if supervisor.stopping.is_set():
            raise Stopped from error  # the servers were taken away from under it
        raise
    finally:
        connection.close()


def _stop_after(story: "Future[bool]", stopping: threading.Event, once: bool) -> None:  # noqa: FBT001
    """Go on serving after a story that came to its end, unless it was to be told once."""
    if once or story.exception():
        stopping.set()
