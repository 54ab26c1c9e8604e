"""The main job, end to end in one process: the story against the sandbox over HTTP.

``manage.py work`` stands for the workers: whatever is due is done while the story waits.
"""

import io
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from campaigns.actions import campaigns
from connectors.wecom.sandbox.client import SandboxControl
from connectors.wecom.sandbox.serve import running_sandbox
from connectors.wecom.sandbox.settings import SandboxSettings
from crm.actions.sweeping import do_what_is_due
from crm.demo import scan_part
from crm.demo.cast import PERSONAS
from crm.demo.telling import tell
from crm.demo.terminal import Terminal

TOKEN, AES_KEY = "plum", "a" * 42 + "A"


def work(seconds: float) -> bool:
    """What workers do while the story waits."""
    do_what_is_due(now=timezone.now())
    time.sleep(seconds / 10)
    return False


@pytest.mark.django_db(transaction=True)
def test_every_figure_is_right_and_nothing_is_played_twice(
    live_server: LiveServer,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Ten seconds, and the minute in which WeCom is not asked, would prove no more than this.
    monkeypatch.setattr(scan_part, "SPREAD", 2)
    monkeypatch.setattr(campaigns, "YOUNGEST_TO_ASK", timedelta())
    callback = f"{live_server.url}/callbacks/wecom/"
    pretended = SandboxSettings("ww1", "secret", "1000002", callback, TOKEN, AES_KEY)
    output = io.StringIO()

    def told() -> bool:
        return tell(
            address=live_server.url,
            book=tmp_path / "reports.json",
            passwords=dict.fromkeys(PERSONAS, "plum blossom"),
            sandbox_url=sandbox.base_url,
            terminal=Terminal(output),
            pause=work,
            once=True,
        )

    with running_sandbox(pretended) as sandbox, SandboxControl(sandbox.base_url) as control:
        settings.WECOM_API_URL = f"{sandbox.base_url}/cgi-bin"
        settings.WECOM_CORP_ID, settings.WECOM_SECRET = "ww1", "secret"
        settings.WECOM_AGENT_ID = "1000002"
        settings.WECOM_CALLBACK_TOKEN, settings.WECOM_CALLBACK_AES_KEY = TOKEN, AES_KEY
        control.faults(poll_wait=0)
        first = told()
        calls = control.ledger()["calls"]
        again = told()

        assert first, output.getvalue()
        assert again, output.getvalue()
        assert control.ledger()["calls"] == calls
        assert control.clock()["offset"] == 0
