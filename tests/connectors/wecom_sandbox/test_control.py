"""The control side: who may use it, what it refuses, what a person sees."""

import httpx
import pytest

from connectors.wecom.sandbox.clock import Clock
from connectors.wecom.sandbox.service import Sandbox
from connectors.wecom.sandbox.settings import Quota, SandboxSettings
from connectors.wecom.sandbox.wsgi import Application

from .conftest import Box, customer, settings


def test_seeding_twice_changes_in_place(box: Box) -> None:
    before = box.control.ledger()

    box.control.seed(customers=[customer(1, "lin", name="Chen")])

    assert box.control.ledger() == before
    shown = box.get("externalcontact/get", external_userid="wo1")
    assert shown["external_contact"]["name"] == "Chen"


@pytest.mark.parametrize(
    "bad",
    [
        customer(9, "nobody"),
        customer(9, follows=[{"userid": "lin", "tag_ids": ["XXL"]}]),
        customer(9, "lin", mood="grumpy"),
        {"name": "no id"},
    ],
)
def test_a_refused_seed_changes_nothing(box: Box, bad: dict[str, object]) -> None:
    before = box.control.ledger()

    with pytest.raises(httpx.HTTPStatusError, match="400"):
        box.control.seed(customers=[customer(8, "lin"), bad])

    assert box.control.ledger() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("clock", {"advance": -1}),
        ("clock", {"advance": 10**30}),
        ("faults", {"latency_ms": -1}),
        ("scan", {"userid": "lin", "people": [], "spread": -1}),
        ("confirm", {"share": 2}),
        ("scan", {"state": "unknown", "people": [{"external_userid": "chen"}]}),
        ("scan", {"userid": "lin", "people": [{"name": "no id"}]}),
        ("depart", {"userid": "nobody"}),
        ("remove", {"external_userid": "wo1", "userid": "mei", "by": "customer"}),
        ("remove", {"external_userid": "wo1", "userid": "lin", "by": "nobody"}),
        ("faults", {"fail": [{"path": "*"}]}),
        ("faults", {"lose": [{"path": "*", "how": "gently"}]}),
        ("faults", {"callbacks": {"drop": "some"}}),
        ("seed", {"quota": "year:1"}),
    ],
)
def test_nonsense_is_refused_with_a_reason(box: Box, path: str, body: dict[str, object]) -> None:
    before = box.control.ledger()

    answer = box.http.post(f"/sandbox/{path}", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert box.control.ledger() == before


def test_unknown_pages_are_not_found(box: Box) -> None:
    for path in ("/", "/sandbox/what", "/sandbox/ledger/what", "/sandboxes"):
        assert box.http.get(path).status_code == 404
    assert box.http.post("/sandbox/what", json={}).status_code == 404
    assert box.http.get("/sandbox/seed").status_code == 404


@pytest.mark.parametrize(
    ("address", "host", "origin", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8001", "", "200 OK"),
        ("::1", "localhost:8001", "http://localhost:8001", "200 OK"),
        ("10.0.0.7", "127.0.0.1:8001", "", "403 Forbidden"),
        ("127.0.0.1", "evil.example", "", "403 Forbidden"),
        ("127.0.0.1", "127.0.0.1:8001", "http://evil.example", "403 Forbidden"),
        ("", "127.0.0.1:8001", "", "403 Forbidden"),
    ],
)
def test_the_control_side_is_for_this_machine_only(
    address: str, host: str, origin: str, status: str
) -> None:
    sandbox = Sandbox(settings(), Clock())
    said: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/sandbox/clock",
        "REMOTE_ADDR": address,
        "HTTP_HOST": host,
        "HTTP_ORIGIN": origin,
    }

    Application(sandbox)(environ, lambda line, headers: said.append(line))

    assert said == [status]


def test_the_api_does_not_lead_to_the_control_side(box: Box) -> None:
    assert box.post("sandbox/reset")["errcode"] == 40066
    assert box.control.ledger()["staff"] == 2


def test_a_person_sees_the_state_and_can_act_without_a_script(box: Box) -> None:
    box.contact("add_msg_template", sender="lin", text={"content": "<b>Sale</b>"})

    page = box.http.get("/sandbox/").text
    assert "&lt;b&gt;Sale&lt;/b&gt;" in page
    assert "2026-01-10 12:00:00" in page

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = box.http.post("/sandbox/clock", content="advance=86400", headers=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sandbox/")
    assert box.http.post("/sandbox/confirm", headers=form).status_code == 303
    assert box.control.clock()["offset"] == 86400
    assert box.control.ledger()["delivered"] == 4


def test_ledger_parts_are_paged(box: Box) -> None:
    page = box.http.get("/sandbox/ledger/follows", params={"limit": 3}).json()

    assert (len(page["rows"]), page["next"], page["total"]) == (3, 3, 4)


def test_all_rows_of_a_long_part_are_read(box: Box) -> None:
    box.control.seed(customers=(customer(number, "mei") for number in range(5_001)))

    assert len(box.customers_of("mei")) == 5_001


def test_a_reset_makes_new_ids(box: Box) -> None:
    before = {
        row["name"]: row["id"] for row in box.contact("get_corp_tag_list")["tag_group"][0]["tag"]
    }
    box.control.advance(1)
    box.control.reset()

    after = box.control.seed(tags=[{"group": "Size", "names": ["S", "M"]}])["Size"]

    assert set(before) == set(after)
    assert not set(before.values()) & set(after.values())


def test_departments_may_be_named(box: Box) -> None:
    box.control.seed(staff=[{"userid": "hua", "department": "West Lake"}])

    names = {d["id"]: d["name"] for d in box.get("department/list")["department"]}

    assert names[box.get("user/get", userid="hua")["department"][0]] == "West Lake"


def test_settings_come_from_the_products_own_names() -> None:
    given = SandboxSettings.from_environment(
        {"WECOM_CORP_ID": "ww2", "WECOM_RECEIVE_QUOTA": "week:7", "SANDBOX_JOURNAL": "var/box"}
    )

    assert (given.corp_id, given.quota, str(given.journal)) == ("ww2", Quota("week", 7), "var/box")
    with pytest.raises(ValueError, match="WECOM_CALLBACK_AES_KEY"):
        SandboxSettings.from_environment({"SANDBOX_CALLBACK_URL": "http://127.0.0.1:8000/"})
    with pytest.raises(ValueError, match="month:30"):
        Quota.parse("year")
