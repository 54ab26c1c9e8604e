"""Letters of a channel that can be asked: Twilio's, with answers lost and questions refused."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from campaigns.actions.batches import look_up_batch
from campaigns.actions.letter_lease import LOOK_EVERY
from campaigns.actions.pump import pump_campaign
from campaigns.actions.unclear import check_unclear
from campaigns.enums import BatchState, DeliveryState
from campaigns.models import Batch, Campaign, Delivery
from contacts.actions.consent import opt_out
from contacts.enums import IdentityKind
from contacts.models import Customer
from crm.invariants import check_rules
from tests.builders import make_customers, make_identity, make_staff
from tests.campaigns.planning import planned

pytestmark = pytest.mark.django_db


@dataclass
class Provider:
    """Takes every message, loses its answers while told to, and refuses some questions."""

    loses: bool = True
    takes: bool = True
    busy_every: int = 0
    messages: list[dict[str, str]] = field(default_factory=list)
    questions: Any = field(default_factory=lambda: count(1))

    def reached(self) -> Counter[str]:
        return Counter(message["to"] for message in self.messages)


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        provider = self.server.provider
        message = {
            "sid": f"SM{len(provider.messages)}",
            "to": form["To"][0],
            "body": form["Body"][0],
            "date_created": format_datetime(timezone.now()),
        }
        if provider.takes:
            provider.messages.append(message)
        if provider.loses:
            self.close_connection = True
        else:
            self.speak(201, message)

    def do_GET(self) -> None:
        provider = self.server.provider
        if provider.busy_every and next(provider.questions) % provider.busy_every == 0:
            self.speak(503, {})
            return
        [to] = parse_qs(urlsplit(self.path).query)["To"]
        self.speak(200, {"messages": [row for row in provider.messages if row["to"] == to]})

    def speak(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    provider: Provider


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.provider = Provider()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    place = f"127.0.0.1:{server.server_address[1]}"
    settings.SMS_URL = f"twilio+http://AC1:token@{place}/?from=%2B15550001"
    yield server.provider
    server.shutdown()
    server.server_close()


def people(number: int) -> list[Customer]:
    customers = list(make_customers(number, owner=make_staff("Lin")))
    for place, customer in enumerate(customers):
        make_identity(customer, f"+861381234{place:04}", kind=IdentityKind.PHONE)
    return customers


def states(campaign: Campaign) -> Counter[str]:
    return Counter(Delivery.objects.filter(campaign=campaign).values_list("state", flat=True))


def look(*times: int) -> None:
    """Ask about what is unclear, so many times two minutes from now."""
    for time in times:
        for batch in Batch.objects.filter(state=BatchState.UNCLEAR):
            look_up_batch(batch.pk, now=timezone.now() + time * LOOK_EVERY)


def test_what_it_has_is_found_although_it_is_busy_now_and_then(provider: Provider) -> None:
    people(20)
    campaign = planned("Dear {customer}", channel="sms")
    pump_campaign(campaign.pk)
    assert states(campaign) == {DeliveryState.UNCLEAR: 20}
    provider.busy_every = 7

    look(1)

    assert states(campaign) == {DeliveryState.SENT: 20}
    assert set(provider.reached().values()) == {1}


def test_what_it_has_was_sent_when_it_took_it_and_not_when_it_was_asked(provider: Provider) -> None:
    [chen] = people(1)
    campaign = planned("Dear {customer}", channel="sms")
    pump_campaign(campaign.pk)
    opt_out(chen, source="test", now=timezone.now())
    Batch.objects.update(claimed_at=timezone.now() + LOOK_EVERY)  # for others, who were busy

    look(1)

    delivery = Delivery.objects.get()
    assert delivery.state == DeliveryState.SENT
    assert delivery.sent_at
    assert delivery.sent_at <= timezone.now()
    assert not [rule for rule in check_rules(now=timezone.now(), only={7}) if rule.rows]


def test_to_ask_early_and_often_proves_nothing(provider: Provider) -> None:
    people(3)
    campaign = planned("Dear {customer}", channel="sms")
    provider.takes = False
    pump_campaign(campaign.pk)

    for _again in range(3):
        check_unclear(campaign, actor=None, now=timezone.now())
        look(0)

    assert states(campaign) == {DeliveryState.UNCLEAR: 3}
    look(1, 2)
    assert states(campaign) == {DeliveryState.QUEUED: 3}


def test_what_it_has_not_goes_again(provider: Provider) -> None:
    people(3)
    campaign = planned("Dear {customer}", channel="sms")
    provider.takes = False
    pump_campaign(campaign.pk)
    provider.takes, provider.loses = True, False

    look(1, 2)
    pump_campaign(campaign.pk)

    assert states(campaign) == {DeliveryState.SENT: 3}
    assert set(provider.reached().values()) == {1}


def test_nobody_gets_it_twice_because_a_name_in_it_has_changed(provider: Provider) -> None:
    people(3)
    campaign = planned("Dear {customer}", channel="sms")
    pump_campaign(campaign.pk)
    Customer.objects.update(name="Chen Jing")
    provider.loses = False

    look(1, 2, 3, 4, 5, 6)
    pump_campaign(campaign.pk)

    assert set(provider.reached().values()) == {1}
    assert states(campaign) == {DeliveryState.UNCLEAR: 3}
    assert "other words" in Batch.objects.get().error


def test_a_campaign_of_the_same_words_is_not_taken_for_it(provider: Provider) -> None:
    people(3)
    provider.loses = False
    first = planned("Our coats are here", channel="sms")
    again = planned("Our coats are here", channel="sms")
    pump_campaign(first.pk)
    provider.takes, provider.loses = False, True
    pump_campaign(again.pk)
    provider.takes, provider.loses = True, False

    look(1, 2)
    pump_campaign(again.pk)

    assert states(again) == {DeliveryState.SENT: 3}
    assert set(provider.reached().values()) == {2}
