"""The same request with the same key, several times in the same moment, is done once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from campaigns.enums import BatchState, CampaignState, DeliveryState
from campaigns.models import Batch, Campaign, Content, Delivery, Segment
from contacts.enums import Role
from contacts.models import HistoryEntry, Staff
from crm.models import SavedAnswer
from tests.builders import make_batch, make_campaign, make_customers, make_staff
from tests.contacts.test_races import at_once
from tests.gateways import MailServer

pytestmark = pytest.mark.django_db(transaction=True)

CAMPAIGN = {"name": "Spring", "text": "New coats", "rule": {"all": []}}
KEY = {"Idempotency-Key": "once"}
PATIENCE = 10


@pytest.fixture
def tao() -> Staff:
    return make_staff("Tao", role=Role.MARKETER)


@pytest.fixture
def client(api: Callable[..., APIClient], tao: Staff) -> APIClient:
    return api(tao)


@pytest.fixture
def live(tao: Staff, mails: MailServer) -> Campaign:
    """A campaign under way, of which two batches with four letters are unclear."""
    campaign = make_campaign(
        channel="email", state=CampaignState.WAITING, recipients=4, created_by=tao
    )
    for _batch in range(2):
        make_batch(
            campaign,
            make_customers(2),
            state=BatchState.UNCLEAR,
            delivery_state=DeliveryState.UNCLEAR,
        )
    return campaign


def codes(futures: list[Any]) -> Counter[int]:
    return Counter(future.result().status_code for future in futures)


def create(client: APIClient) -> Any:
    return client.post("/api/v1/campaigns", CAMPAIGN, headers=KEY)


def send_again(client: APIClient, campaign: Campaign, **headers: str) -> Any:
    return client.post(f"/api/v1/campaigns/{campaign.pk}/send-again", headers=headers)


def by_another_worker(ask: Callable[[], Any]) -> Any:
    """What a worker answers that is asked while this one is at work."""

    def answer() -> Any:
        try:
            return ask()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(answer).result(PATIENCE)


def test_eight_requests_at_once_make_one_campaign(client: APIClient) -> None:
    found = codes(at_once([partial(create, client)] * 8))

    assert found[201] >= 1
    assert set(found) <= {201, 409}
    assert Campaign.objects.count() == Content.objects.count() == Segment.objects.count() == 1
    assert HistoryEntry.objects.filter(action="campaign.created").count() == 1
    again = create(client)
    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["id"] == Campaign.objects.get().pk
    assert SavedAnswer.objects.count() == 1


def test_who_comes_while_the_campaign_is_written_is_turned_away(client: APIClient, upon) -> None:
    second: list[Any] = []

    def meanwhile() -> None:
        second.append(by_another_worker(partial(create, client)))

    with upon('INSERT INTO "campaigns_campaign"', meanwhile):
        first = create(client)

    assert (first.status_code, second[0].status_code) == (201, 409)
    assert second[0].json()["type"] == "urn:liuke:problem:still-running"
    assert Campaign.objects.count() == 1


@pytest.mark.parametrize("headers", [KEY, {}], ids=["with a key", "without"])
def test_eight_requests_at_once_send_again_once(
    client: APIClient, live: Campaign, headers: dict[str, str]
) -> None:
    found = codes(at_once([partial(send_again, client, live, **headers)] * 8))

    assert found[200] >= 1
    assert set(found) <= ({200, 409} if headers else {200, 400})
    assert headers or found[200] == 1
    (entry,) = HistoryEntry.objects.filter(action="campaign.sent_again")
    assert entry.data == {"recipients": 4}
    assert set(Batch.objects.values_list("state", "attempts")) == {(BatchState.WAITING, 0)}
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.QUEUED}


def test_a_late_repetition_sends_nothing_again_that_is_unclear_anew(
    client: APIClient, live: Campaign
) -> None:
    send_again(client, live, **KEY)
    Delivery.objects.update(state=DeliveryState.UNCLEAR)
    Batch.objects.update(state=BatchState.UNCLEAR)

    answer = send_again(client, live, **KEY)

    assert (answer.status_code, answer["Idempotent-Replayed"]) == (200, "true")
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.UNCLEAR}
    assert HistoryEntry.objects.filter(action="campaign.sent_again").count() == 1


def test_who_comes_while_it_is_sent_again_is_turned_away(
    client: APIClient, live: Campaign, upon
) -> None:
    second: list[Any] = []

    def meanwhile() -> None:
        if not second:
            second.append(None)
            second[0] = by_another_worker(partial(send_again, client, live, **KEY))

    with upon('UPDATE "campaigns_delivery"', meanwhile):
        first = send_again(client, live, **KEY)

    assert (first.status_code, second[0].status_code) == (200, 409)
    assert HistoryEntry.objects.filter(action="campaign.sent_again").count() == 1
