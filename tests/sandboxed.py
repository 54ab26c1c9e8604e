"""A company connected to a running sandbox: the same people on both sides, and real HTTP."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.test import override_settings
from django.utils import timezone

from connectors.wecom.sandbox.client import SandboxControl
from connectors.wecom.sandbox.serve import running_sandbox
from connectors.wecom.sandbox.settings import SandboxSettings
from contacts.actions.departures import depart_staff
from contacts.actions.staff import left_the_channel
from contacts.enums import IdentityKind
from contacts.models import Customer, GroupChat, Handover, Identity, Staff
from tests.builders import NOON

CORP = "ww0000000000000001"
TOKEN = "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"


@dataclass
class Shop:
    """The sandbox's hand, and how to tell it of the rows that a test has made."""

    control: SandboxControl
    url: str
    moods: dict[str, str] = field(default_factory=dict)

    def open(self, *staff: Staff, moods: dict[str, str] | None = None) -> None:
        """Tell the sandbox of these people and of everybody who follows them in our database."""
        rows = (
            Identity.objects.filter(
                kind=IdentityKind.WECOM,
                customer__follows__staff__in=staff,
                customer__follows__ended_at=None,
            )
            .order_by("pk")
            .values_list("value", "customer__name", "customer__follows__staff__wecom_userid")
        )
        self.control.seed(
            staff=[{"userid": person.wecom_userid, "name": person.name} for person in staff],
            customers=[
                {
                    "external_userid": address,
                    "name": name,
                    "type": 1,
                    "mood": (moods or {}).get(address, "accept"),
                    "follows": [{"userid": userid, "createtime": 1_760_000_000}],
                }
                for address, name, userid in rows
            ],
        )

    def leave(self, person: Staff) -> Handover:
        """Let somebody leave WeCom and the company; return the handover that is planned."""
        self.control.depart(person.wecom_userid or "")
        left_the_channel(person, now=timezone.now())
        handover = depart_staff(person.pk, actor=None, now=timezone.now())
        assert handover
        return handover

    def open_chats(self, owner: Staff, *ids: str) -> None:
        """Let somebody own group chats, in WeCom and in our database."""
        self.control.seed(groups=[{"chat_id": pk, "owner": owner.wecom_userid} for pk in ids])
        GroupChat.objects.bulk_create(
            GroupChat(chat_id=pk, owner=owner, store=owner.store, known_at=NOON) for pk in ids
        )

    def reached(self) -> dict[str, int]:
        """How many tasks each address is in, confirmed or not."""
        counts: dict[str, int] = {}
        for message in self.control.rows("messages"):
            for task in message["tasks"]:
                for address in task["recipients"]:
                    counts[address] = counts.get(address, 0) + 1
        return counts

    def violations(self) -> list[dict[str, Any]]:
        """Every call of ours that broke a documented limit."""
        return self.control.rows("violations")


def address_of(customer: Customer) -> str:
    """The customer's address in WeCom."""
    return Identity.objects.get(customer=customer, kind=IdentityKind.WECOM).value


def addresses_of(customers: Sequence[Customer]) -> set[str]:
    """The WeCom addresses of these customers."""
    rows = Identity.objects.filter(customer__in=customers, kind=IdentityKind.WECOM)
    return set(rows.values_list("value", flat=True))


@contextmanager
def open_shop(**settings: Any) -> Iterator[Shop]:
    """Run a sandbox, and point the product's settings at it."""
    who = {"corp_id": CORP, "secret": "s3cret", "agent_id": "1000002"}
    with running_sandbox(SandboxSettings(**{**who, **settings})) as running:
        control = SandboxControl(running.base_url)
        with override_settings(
            WECOM_API_URL=f"{running.base_url}/cgi-bin",
            WECOM_CORP_ID=CORP,
            WECOM_SECRET="s3cret",
            WECOM_AGENT_ID="1000002",
            WECOM_CALLBACK_TOKEN=TOKEN,
            WECOM_CALLBACK_AES_KEY=AES_KEY,
        ):
            yield Shop(control, running.base_url)
        control.close()
