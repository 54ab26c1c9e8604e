"""An installation with one more folder of connectors: ``python -m tests.crm.faxing PLACE WHAT``.

What lies in PLACE is found as if it lay in ``connectors/``. WHAT is "contract", which runs the tests
of the contract and exits as they do, or "campaign", which sends one through the channel ``fax`` to
everybody, as a marketer does on the screens, and prints what was seen on the way.
"""

import json
import os
import sys
from typing import Any

import django
import pytest

import connectors

NEW = "/campaigns/new/"


def contract() -> int:
    """Run the tests of the contract that concern the new folder."""
    return pytest.main(
        ["-q", "-n", "0", "tests/connectors/test_contract.py", "-k", "fax or every_channel"]
    )


def campaign() -> int:
    """Send a fax to everybody and say what was seen."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    sys.stdout.write(json.dumps(_send_from_screens()))
    return 0


def _send_from_screens() -> dict[str, Any]:
    from django.conf import settings  # noqa: PLC0415 -- none before the folder is there
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import setup_test_environment  # noqa: PLC0415
    from django.utils import timezone, translation  # noqa: PLC0415

    from campaigns.actions.campaigns import plan_campaign  # noqa: PLC0415
    from campaigns.actions.pump import pump_campaign  # noqa: PLC0415
    from campaigns.channels import LABELS, available_channels  # noqa: PLC0415
    from campaigns.models import Campaign  # noqa: PLC0415
    from contacts.models import Staff  # noqa: PLC0415
    from tests.builders import sign_in  # noqa: PLC0415

    setup_test_environment()
    client = sign_in(Client(), Staff.objects.get(name="Yan"))
    administrator = sign_in(Client(), Staff.objects.get(name="Ada"))

    def press(step: str, go: str, **typed: str) -> Any:
        seen = client.get(NEW).context["version"]
        return client.post(f"{NEW}{step}/", {"version": seen, "go": go, "window": ""} | typed)

    offered = client.get(f"{NEW}message/").context["form"].fields["channel"].choices
    press("message", "next", name="Spring", text="Coats for {customer}", channel="fax")
    press("test", "test")
    press("check", "schedule")
    sent = Campaign.objects.get()
    plan_campaign(sent.pk, now=timezone.now())
    pump_campaign(sent.pk)
    sent.refresh_from_db()
    with translation.override("zh-hans"):
        in_chinese = str(LABELS["fax"])
    return {
        "available": available_channels(),
        "offered": [[kind, str(label)] for kind, label in offered],
        "in_chinese": in_chinese,
        "rate": settings.CHANNEL_RATES["fax"],
        "rules": "fax_messages" in administrator.get("/messaging-rules/").text,
        "filtered": f"/campaigns/{sent.pk}/" in client.get("/campaigns/?channel=fax").text,
        "state": sent.state,
    }


if __name__ == "__main__":
    connectors.__path__.append(sys.argv[1])
    sys.exit({"contract": contract, "campaign": campaign}[sys.argv[2]]())
