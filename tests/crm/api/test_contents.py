"""Messages and files through the API."""

from base64 import b64encode

import pytest

from campaigns.models import MediaFile
from contacts.enums import Role
from tests.builders import make_content, make_customer, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def tao():
    return make_staff("Tao", role=Role.MARKETER)


def test_the_api_writes_versions_and_tells_who_came_second(api, tao):
    client = api(tao)
    body = {"name": "Coats", "text": "Hi", "folder": "Autumn"}
    first = client.post("/api/v1/contents", body).json()

    second = client.post(f"/api/v1/contents/{first['id']}/versions", body | {"text": "Hello"})
    third = client.post(f"/api/v1/contents/{first['id']}/versions", body | {"text": "Mine"})

    assert second.json()["version"] == 2
    assert third.status_code == 409


def test_the_api_previews_for_a_customer_in_reach(api, tao, redis):
    content = make_content("Hello {customer|friend}", folder="Autumn")
    chen = make_customer("Chen")
    url = f"/api/v1/contents/{content.pk}/preview"

    mine = api(tao).post(url, {"channel": "echo", "customer": chen.pk}).json()
    unknown = api(tao).post(url, {"channel": "echo", "customer": chen.pk + 1})

    assert (mine["text"], mine["size"]) == ("Hello Chen", 10)
    assert unknown.status_code == 400


def test_the_api_takes_a_file_larger_than_other_bodies(api, tao):
    content = b"%PDF-1.4\n" + b"x" * 4_000_000
    body = {"name": "list.pdf", "content": b64encode(content).decode()}

    answer = api(tao).post("/api/v1/media", body)
    again = api(tao).post("/api/v1/media", body)

    assert answer.status_code == 201
    assert again.json()["id"] == answer.json()["id"]
    assert answer.json()["url"].endswith("/list.pdf")


@pytest.mark.parametrize("content", ["not base64!", "PHNjcmlwdD4=", ""])
def test_the_api_refuses_what_is_no_file(api, tao, content):
    answer = api(tao).post("/api/v1/media", {"name": "x.png", "content": content})
    assert answer.status_code == 400
    assert not MediaFile.objects.exists()
