"""Coming back: the same state and the same ledger from the journal."""

import time
from pathlib import Path
from typing import Any

import pytest

from connectors.wecom.sandbox.clock import Clock
from connectors.wecom.sandbox.journal import Journal, JournalDamaged
from connectors.wecom.sandbox.service import Sandbox

from .conftest import HOUR, NOON, Box, Inbox, customer, fill, open_box, settings
from .test_callbacks import settled

PARTS = (
    "violations",
    "messages",
    "deliveries",
    "welcomes",
    "transfers",
    "transfer_calls",
    "callbacks",
    "app_messages",
    "follows",
)


def everything(box: Box) -> dict[str, Any]:
    return {"summary": box.control.ledger(), **{part: box.control.rows(part) for part in PARTS}}


def live_a_day(box: Box) -> None:
    """A bit of everything, refusals and faults included."""
    fill(box)
    box.contact("add_contact_way", type=2, scene=2, state="cc-1", user=["lin", "mei"])
    box.control.faults(fail=[{"path": "externalcontact/remark", "errcode": -1, "times": 1}])
    box.contact("remark", userid="lin", external_userid="wo1", remark="Chen")
    msgid = box.contact("add_msg_template", sender="lin", text={"content": "Sale"})["msgid"]
    box.contact("get_groupmsg_task", msgid=msgid)
    box.control.confirm()
    box.control.scan([{"external_userid": f"new{n}"} for n in range(6)], state="cc-1", spread=60)
    box.control.advance(30)
    code = next(iter(box.control.rows("callbacks")))["xml"].partition("WelcomeCode><![CDATA[")[2]
    box.contact("send_welcome_msg", welcome_code=code.partition("]")[0], text={"content": "Hi"})
    box.control.depart("lin")
    box.contact(
        "resigned/transfer_customer",
        handover_userid="lin",
        takeover_userid="mei",
        external_userid=["wo1", "wo2", "wo9"],
    )
    box.control.advance(25 * HOUR)


def test_a_restart_gives_the_same_state_and_ledger(tmp_path: Path) -> None:
    given = settings(journal=tmp_path / "journal")
    with open_box(given) as box:
        live_a_day(box)
        before = everything(box)
        token = box.token

    with open_box(given) as box:
        assert everything(box) == before
        assert box.get("user/get", userid="mei", access_token=token)["errcode"] == 42001


def test_events_due_while_it_was_off_happen_at_their_time(tmp_path: Path) -> None:
    given = settings(journal=tmp_path / "journal")
    with open_box(given) as box:
        fill(box)
        pair = {"handover_userid": "lin", "takeover_userid": "mei"}
        box.contact("transfer_customer", **pair, external_userid=["wo1"])

    with open_box(given, lambda: NOON + 48 * HOUR) as box:
        row = box.control.rows("transfers")[0]

    assert (row["status"], row["takeover_time"]) == (1, NOON + 24 * HOUR)


def test_half_a_last_line_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with open_box(settings(journal=path)) as box:
        fill(box)
        before = everything(box)
    with path.open("ab") as file:
        file.write(b'{"at": 1768017600.0, "method": "POST", "pa')

    for _ in range(2):
        with open_box(settings(journal=path)) as box:
            assert everything(box) == before
            box.control.advance(0)


def test_a_damaged_middle_is_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"at": 1}\nnonsense\n{"at": 2}\n')
    journal = Journal(path)

    with pytest.raises(JournalDamaged, match="line 2"):
        list(journal.entries())

    journal.close()


def test_a_reset_forgets_the_journal_too(tmp_path: Path) -> None:
    given = settings(journal=tmp_path / "journal")
    with open_box(given) as box:
        live_a_day(box)
        box.control.reset()
        assert box.control.clock() == {"now": NOON, "offset": 0.0, "due": 0}

    with open_box(given) as box:
        assert box.control.ledger()["staff"] == 0


def test_events_not_delivered_are_delivered_after_a_restart(tmp_path: Path, inbox: Inbox) -> None:
    path = tmp_path / "journal"
    with open_box(settings(journal=path)) as box:
        fill(box)
        box.control.depart("mei")
        assert box.control.ledger()["callbacks"] == {"waiting": 1}

    keys = {"callback_token": "QDG6eK", "callback_aes_key": "j" * 43}
    given = settings(journal=path, callback_url=inbox.url, **keys)
    for _ in range(2):
        with open_box(given) as box:
            assert settled(box, 1) == {"sent": 1}
    assert len(inbox.raw) == 1


def test_five_thousand_customers_come_back_within_a_second(tmp_path: Path) -> None:
    given = settings(journal=tmp_path / "journal")
    with open_box(given) as box:
        fill(box)
        box.control.seed(customers=(customer(n, "lin") for n in range(5_000)))

    began = time.perf_counter()
    sandbox = Sandbox(given, Clock(lambda: NOON))
    took = time.perf_counter() - began

    assert sandbox.read("/sandbox/ledger", {})["customers"] == 5_000
    assert took < 1
    sandbox.close()
