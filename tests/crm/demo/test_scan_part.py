"""Codes that die on a busy machine: another hundred come, more slowly, and the report says so."""

import io
import time

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from campaigns.models import WelcomeRule
from contacts.wecom import wecom
from crm.actions.sweeping import do_what_is_due
from crm.demo import scan_part
from crm.demo.company import DemoCompany
from crm.demo.sandbox import publish_codes
from crm.demo.stage import Stage
from crm.demo.terminal import Terminal
from tests.builders import make_code, make_content, make_segment, make_staff
from tests.sandboxed import AES_KEY, TOKEN, open_shop

PEOPLE = 4


@pytest.mark.django_db(transaction=True)
def test_another_hundred_come_where_codes_died(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_part, "PEOPLE", PEOPLE)
    monkeypatch.setattr(scan_part, "SPREAD", 1)
    lin = make_staff("Lin")
    code = make_code(staff=[lin])
    WelcomeRule.objects.create(contact_code=code, content=make_content("Welcome"))
    company = DemoCompany(lin, [], lin, lin, make_content(), make_segment(), code)
    output = io.StringIO()

    callback = f"{live_server.url}/callbacks/wecom/"
    keys = {"callback_token": TOKEN, "callback_aes_key": AES_KEY}
    with open_shop(callback_url=callback, **keys) as shop:

        def work(seconds: float) -> bool:
            """What workers do; they are away while the codes of the first hundred die."""
            if not shop.control.clock()["offset"]:
                shop.control.advance(scan_part.VALID_FOR + 5)
            do_what_is_due(now=timezone.now())
            time.sleep(seconds / 5)
            return False

        shop.open(lin)
        client = wecom()
        assert client
        publish_codes(client)
        code.refresh_from_db()
        stage = Stage(company, Terminal(output), shop.control, work)
        scan_part.run(stage)
        report = scan_part.measure(stage)
        greeted = {row["external_userid"] for row in shop.control.rows("welcomes")}

    assert report.is_right, output.getvalue()
    assert greeted >= {person["external_userid"] for person in scan_part.newcomers(2)}
    assert f"{PEOPLE} codes died unused" in output.getvalue()
    assert report.title.endswith("within 2 seconds")
