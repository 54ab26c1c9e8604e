"""A3 and A4: events on their way."""

import time

import pytest

from connectors.wecom.callback import BadCallback
from connectors.wecom.sandbox.callbacks import event_xml

from .conftest import CORP, Box, Inbox


def test_an_event_has_the_documented_shape_and_cannot_be_broken_out_of() -> None:
    xml = event_xml(CORP, 1760000000.9, {"Event": "e", "State": "a]]><b>", "WelcomeCode": ""})

    assert xml == (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><FromUserName><![CDATA[sys]]>"
        "</FromUserName><CreateTime>1760000000</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        "<Event><![CDATA[e]]></Event><State><![CDATA[a]]]]><![CDATA[><b>]]></State></xml>"
    )


def settled(box: Box, count: int) -> dict[str, int]:
    """The callbacks of the ledger by state, once ``count`` of them have an end."""
    until = time.monotonic() + 10
    while True:
        states: dict[str, int] = box.control.ledger()["callbacks"]
        if sum(states.values()) - states.get("waiting", 0) >= count:
            return states
        assert time.monotonic() < until, states
        time.sleep(0.01)


def test_a_scan_arrives_encrypted_with_state_and_code(wired: Box, inbox: Inbox) -> None:
    wired.contact("add_contact_way", type=2, scene=2, state="cc-17", user=["mei"])

    wired.control.scan([{"external_userid": "chen", "name": "Chen"}], state="cc-17")
    inbox.wait(1)

    event = inbox.events()[0]
    assert event["ChangeType"] == "add_external_contact"
    assert (event["UserID"], event["ExternalUserID"]) == ("mei", "chen")
    assert event["State"] == "cc-17"
    assert (
        wired.code(
            "send_welcome_msg", welcome_code=event["WelcomeCode"], text={"content": "Welcome"}
        )
        == 0
    )
    assert settled(wired, 1) == {"sent": 1}


def test_an_untaken_event_is_tried_three_times_with_the_same_bytes(
    wired: Box, inbox: Inbox
) -> None:
    inbox.status = 500

    wired.control.depart("mei")

    assert settled(wired, 1) == {"failed": 1}
    assert len(inbox.raw) == 3
    assert inbox.raw[0] == inbox.raw[1] == inbox.raw[2]
    assert wired.control.rows("callbacks", state="failed")[0]["attempts"] == 3


def test_an_event_taken_at_the_second_attempt_is_sent(wired: Box, inbox: Inbox) -> None:
    inbox.fail_first = 1

    wired.control.depart("mei")

    assert settled(wired, 1) == {"sent": 1}
    assert len(inbox.raw) == 2


def test_dropped_doubled_and_wrongly_signed_events(wired: Box, inbox: Inbox) -> None:
    wired.control.faults(callbacks={"drop": 1})
    wired.control.remove(external_userid="wo1", userid="lin")
    wired.control.faults(callbacks={"duplicate": 1})
    wired.control.remove(external_userid="wo2", userid="lin")
    assert settled(wired, 2) == {"dropped": 1, "sent": 1}
    assert inbox.raw[0] == inbox.raw[1]
    assert inbox.events()[0]["ExternalUserID"] == "wo2"

    wired.control.faults(callbacks={"wrong_key": True})
    wired.control.remove(external_userid="wo3", userid="lin")
    settled(wired, 3)
    with pytest.raises(BadCallback):
        inbox.open(*inbox.raw[2])


def test_shuffled_events_come_in_reverse(wired: Box, inbox: Inbox) -> None:
    wired.control.faults(callbacks={"shuffle": 4})

    for number in (1, 2, 3, 4):
        wired.control.remove(external_userid=f"wo{number}", userid="lin")
    inbox.wait(4)

    assert [e["ExternalUserID"] for e in inbox.events()] == ["wo4", "wo3", "wo2", "wo1"]


def test_a_few_held_back_events_come_all_the_same(wired: Box, inbox: Inbox) -> None:
    wired.control.faults(callbacks={"shuffle": 100})

    wired.control.remove(external_userid="wo1", userid="lin")

    inbox.wait(1)


def test_a_hundred_scans_are_delivered_within_five_seconds(wired: Box, inbox: Inbox) -> None:
    people = [{"external_userid": f"new{n}", "name": f"New {n}"} for n in range(100)]

    wired.control.scan(people, userid="lin")
    inbox.wait(100, seconds=5)

    assert {e["ExternalUserID"] for e in inbox.events()} == {p["external_userid"] for p in people}


def test_scans_are_spread_over_the_seconds(wired: Box) -> None:
    people = [{"external_userid": f"new{n}"} for n in range(10)]

    wired.control.scan(people, userid="mei", spread=10)

    assert len(wired.customers_of("mei")) == 1
    wired.control.advance(4)
    assert len(wired.customers_of("mei")) == 5
    wired.control.advance(5)
    assert len(wired.customers_of("mei")) == 10
