"""Welcomes by the API: written, seen, changed by one of two, and dropped."""

from typing import Any

import pytest

from campaigns.models import WelcomeRule
from contacts.enums import Role, Scope
from contacts.models import ContactCode, HistoryEntry, RoleGrant, Staff
from tests.builders import make_code, make_media, make_staff, make_store
from tests.crm.api.conftest import Api

pytestmark = pytest.mark.django_db

URL = "/api/v1/welcome-rules"


@pytest.fixture
def tao() -> Staff:
    return make_staff("Tao", role=Role.MARKETER)


def test_welcome_is_written_read_changed_and_dropped(api: Api, tao: Staff) -> None:
    client, media = api(tao), make_media()
    body: dict[str, Any] = {
        "text": "Welcome",
        "attachments": [{"kind": "image", "media": media.pk}],
    }

    made = client.post(URL, body)
    assert made.status_code == 201
    one = made.json()
    assert (one["text"], one["attachments"], one["store"]) == ("Welcome", body["attachments"], None)
    assert one["files_due_at"] is not None
    assert client.get(f"{URL}/{one['id']}").json() == one
    assert client.get(URL).json()["results"] == [one]

    assert client.post(URL, {"text": "Blind"}).status_code == 409
    changed = client.post(URL, {"text": "Hello", "content": one["content"]})
    assert changed.status_code == 201
    assert (changed.json()["id"], changed.json()["text"]) == (one["id"], "Hello")
    assert client.post(URL, {"text": "Late", "content": one["content"]}).status_code == 409

    assert client.post(f"{URL}/{one['id']}/drop").status_code == 200
    assert client.post(f"{URL}/{one['id']}/drop").status_code == 404
    assert not WelcomeRule.objects.exists()
    said = HistoryEntry.objects.filter(action__startswith="welcome_rule", actor=tao)
    assert said.count() == 3


def test_each_level_has_its_own(api: Api, tao: Staff) -> None:
    client, lin, code = api(tao), make_staff("Lin"), make_code()
    for level in ({"staff": lin.pk}, {"store": lin.store_id}, {"contact_code": code.pk}, {}):
        assert client.post(URL, {"text": "Hi", **level}).status_code == 201

    rows = WelcomeRule.objects.order_by("pk").values_list("staff", "store", "contact_code")
    assert list(rows) == [
        (lin.pk, None, None),
        (None, lin.store_id, None),
        (None, None, code.pk),
        (None, None, None),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": "x" * 4001},
        {"text": "欢" * 1400},
        {"text": "Hi", "store": 999},
        {"text": "Hi", "store": 1, "staff": 1},
        {"text": "Hi", "content": 999},
        {"text": "Hi", "attachments": [{"kind": "image", "url": "https://e.com/a.png"}]},
        {"text": "Hi", "attachments": [{"kind": "image", "media": 999}]},
        {
            "text": "Hi",
            "attachments": [{"kind": "link", "title": "a", "url": "https://e.com"}] * 10,
        },
        {"text": "Hi", "attachments": ["x"]},
        {"text": "Hi", "more": 1},
    ],
)
def test_what_could_not_be_sent_is_refused(api: Api, tao: Staff, body: dict[str, Any]) -> None:
    answer = api(tao).post(URL, body)

    assert answer.status_code in {400, 409, 422}
    assert not WelcomeRule.objects.exists()


def test_marketer_of_one_store_reaches_that_store_alone(api: Api) -> None:
    here, there = make_store("Xujiahui"), make_store("Jingan")
    mei = make_staff("Mei", role=Role.MARKETER, store=here)
    RoleGrant.objects.filter(staff=mei).update(scope=Scope.STORE)
    client, gu = api(mei), make_staff("Gu", store=there)

    refused = [
        client.post(URL, {"text": "Hi"}),
        client.post(URL, {"text": "Hi", "store": there.pk}),
        client.post(URL, {"text": "Hi", "staff": gu.pk}),
        client.post(URL, {"text": "Hi", "contact_code": make_code(store=there).pk}),
    ]

    assert [answer.status_code for answer in refused] == [403, 400, 400, 400]
    assert not WelcomeRule.objects.exists()
    assert client.post(URL, {"text": "Hi", "store": here.pk}).status_code == 201


def test_code_brings_its_welcome_with_files(api: Api) -> None:
    hua, lin, media = make_staff("Hua", role=Role.MANAGER), make_staff("Lin"), make_media()
    body = {
        "name": "Door",
        "store": lin.store_id,
        "staff": [lin.pk],
        "welcome": "Welcome",
        "attachments": [{"kind": "image", "media": media.pk}],
    }

    assert api(hua).post("/api/v1/contact-codes", body).status_code == 201
    rule = WelcomeRule.objects.select_related("content").get(contact_code__name="Door")
    assert rule.content.attachments == body["attachments"]
    assert rule.files_due_at is not None


def test_code_whose_welcome_cannot_be_sent_is_not_made(api: Api) -> None:
    hua, lin = make_staff("Hua", role=Role.MANAGER), make_staff("Lin")
    body = {
        "name": "Door",
        "store": lin.store_id,
        "staff": [lin.pk],
        "attachments": [{"kind": "image", "media": make_media().pk}],
    }

    assert api(hua).post("/api/v1/contact-codes", body).status_code in {400, 409, 422}
    assert not ContactCode.objects.exists()
