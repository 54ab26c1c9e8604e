"""Departures and handovers of 20,000 customers, in a company of a million.

Each of our steps is measured beside bare SQL that changes the same rows: in the same database,
under the same constraints, in the same run, ours and bare in turn on different leavers. Figures are
medians. `python -m bench.retention [--json FILE]`, in the environment that `manage.py bench` makes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

import bench.ready  # noqa: F401 -- before the first model is imported
from bench.figures import Figure, save, table
from bench.reader import reading
from contacts.actions.handovers import propose_receivers, start_handover
from contacts.actions.moving import move_planned
from contacts.actions.settlement import settle_items
from contacts.actions.sharing import Strategy
from contacts.actions.undo import undo_asked, undo_handover
from contacts.enums import ItemState
from contacts.models import Handover, HandoverItem, Staff
from crm.access import viewer_for
from crm.actions.departures import let_go
from crm.plan_queries import plan_preview

PART = 500
ROUNDS = 3

Times = dict[str, list[float]]


def main() -> int:
    """Measure, print, save; return the exit status."""
    parser = argparse.ArgumentParser(prog="bench.retention")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure()
    sys.stdout.write(table(figures) + "\n")
    if options.json:
        save(figures, options.json)
    return 0 if all(figure.met for figure in figures) else 1


def measure() -> list[Figure]:
    """Let ours and bare leavers go in turn, and hand their customers over."""
    leavers = list(Staff.objects.filter(name__startswith="Leaver").order_by("pk"))
    receivers = list(Staff.objects.filter(name__startswith="Receiver").order_by("pk"))
    ours: Times = {}
    bare: Times = {}
    with reading("/customers/") as latencies:
        _walk(leavers[0], receivers, {})
    _bare(leavers[1], receivers, {})  # everything is warm from here on
    for turn in range(ROUNDS):
        _walk(leavers[2 + 2 * turn], receivers, ours)
        _bare(leavers[3 + 2 * turn], receivers, bare)
    mid = {name: statistics.median(times) for name, times in ours.items()}
    ref = {name: statistics.median(times) for name, times in bare.items()}
    quiet = _list_alone()
    follows, seconds, grown = _compared()
    return [
        Figure("custody of 20,000", mid["custody"], "s", ref["custody"], times=2),
        Figure("plan and preview of 20,000", mid["plan"], "s", at_most=2),
        Figure(
            "local half of a handover of 20,000",
            mid["handover"],
            "s",
            ref["handover"],
            at_most=10,
            times=3,
        ),
        Figure("settling 20,000 as accepted", mid["settle"], "s"),
        Figure("undo of 20,000", mid["undo"], "s", ref["undo"], at_most=5),
        Figure(
            "customer list meanwhile, p95",
            _p95(latencies),
            "ms",
            _p95(quiet),
            at_most=150,
        ),
        Figure(f"comparing {follows:,.0f} follows with WeCom", seconds, "s"),
        Figure("memory that it takes", grown, "MB", at_most=20),
    ]


@contextmanager
def _timed(times: Times, name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    times.setdefault(name, []).append(time.perf_counter() - began)


def _walk(leaver: Staff, receivers: list[Staff], times: Times) -> None:
    """Ours, through the actions that screens and API call, and the tasks of workers."""
    with _timed(times, "custody"):
        handover = let_go(leaver.pk, actor=None, now=timezone.now())
    assert handover
    viewer = viewer_for(Staff.objects.get(name="Manager"))
    with _timed(times, "plan"):
        propose_receivers(
            handover, receivers, strategy=Strategy.CAPACITY, actor=None, now=timezone.now()
        )
        plan_preview(handover, viewer, now=timezone.now())
    handover.refresh_from_db()
    with _timed(times, "handover"):
        start_handover(handover, actor=None, now=timezone.now())
        move_planned(handover.pk, now=timezone.now())
    handover.refresh_from_db()
    with _timed(times, "settle"):
        _settle(handover)
    with _timed(times, "undo"):
        undo_handover(handover, actor=None, now=timezone.now())
        undo_asked(handover.pk, now=timezone.now())


def _settle(handover: Handover) -> None:
    """What the answers of the channel do, a few hundred at a time."""
    items = list(handover.items.order_by("to_staff", "pk").values_list("pk", flat=True))
    for start in range(0, len(items), PART):
        part = HandoverItem.objects.filter(pk__in=items[start : start + PART])
        settle_items(handover, part, ItemState.ACCEPTED, now=timezone.now())


def _bare(leaver: Staff, receivers: list[Staff], times: Times) -> None:
    """The same rows changed by hand, each step in one transaction."""
    values: dict[str, Any] = {
        "staff": leaver.pk,
        "store": leaver.store_id,
        "now": timezone.now(),
        "receivers": [person.pk for person in receivers],
    }
    with connection.cursor() as cursor:
        for name, statements in _BARE.items():
            with _timed(times, name), transaction.atomic():
                for statement in statements:
                    cursor.execute(statement, values)
            if name == "custody":
                cursor.execute("SELECT max(id) FROM contacts_handover")
                values["handover"] = cursor.fetchone()[0]


_BARE: dict[str, tuple[str, ...]] = {
    "custody": (
        "CREATE TEMP TABLE left_behind ON COMMIT DROP AS"
        " SELECT id, store_id FROM contacts_customer WHERE owner_id = %(staff)s",
        "INSERT INTO contacts_handover (from_staff_id, store_id, kind, size, steps, max_offers,"
        " customer_message, greeting, state, planned_at) VALUES (%(staff)s, %(store)s, 'departure',"
        " (SELECT count(*) FROM left_behind), '[]', 3, '', '', 'planned', %(now)s)",
        "UPDATE contacts_customer SET owner_id = NULL WHERE owner_id = %(staff)s",
        "UPDATE contacts_ownershipperiod SET ended_at = %(now)s"
        " FROM left_behind WHERE customer_id = left_behind.id AND ended_at IS NULL",
        "INSERT INTO contacts_ownershipperiod (customer_id, store_id, reason, began_at, handover_id)"
        " SELECT id, store_id, 'custody', %(now)s, (SELECT max(id) FROM contacts_handover)"
        " FROM left_behind",
        "INSERT INTO contacts_handoveritem (handover_id, customer_id, state, state_at, tries, tried,"
        " reason) SELECT (SELECT max(id) FROM contacts_handover), id, 'planned', %(now)s, 0, '{}', ''"
        " FROM left_behind",
        "UPDATE contacts_staff SET state = 'departed', state_at = %(now)s, departed_at = %(now)s"
        " WHERE id = %(staff)s",
    ),
    "deal": (
        "UPDATE contacts_handoveritem SET to_staff_id ="
        " (%(receivers)s::bigint[])[1 + id %% array_length(%(receivers)s::bigint[], 1)]"
        " WHERE handover_id = %(handover)s",
    ),
    "handover": (
        "UPDATE contacts_handover SET state = 'running', started_at = %(now)s"
        " WHERE id = %(handover)s",
        "UPDATE contacts_customer AS customer SET owner_id = item.to_staff_id"
        " FROM contacts_handoveritem AS item"
        " WHERE item.handover_id = %(handover)s AND customer.id = item.customer_id",
        "UPDATE contacts_ownershipperiod AS period SET ended_at = greatest(%(now)s, period.began_at)"
        " FROM contacts_handoveritem AS item WHERE item.handover_id = %(handover)s"
        " AND period.customer_id = item.customer_id AND period.ended_at IS NULL",
        "INSERT INTO contacts_ownershipperiod"
        " (customer_id, staff_id, store_id, reason, began_at, handover_id)"
        " SELECT customer.id, customer.owner_id, customer.store_id, 'handover', %(now)s, %(handover)s"
        " FROM contacts_handoveritem AS item JOIN contacts_customer AS customer"
        " ON customer.id = item.customer_id WHERE item.handover_id = %(handover)s",
        "INSERT INTO contacts_handoverrequest"
        " (handover_id, to_staff_id, state, attempts, error, created_at, next_attempt_at)"
        " SELECT %(handover)s, to_staff_id, 'prepared', 0, '', %(now)s, %(now)s"
        " FROM contacts_handoveritem WHERE handover_id = %(handover)s GROUP BY to_staff_id",
        "UPDATE contacts_handoveritem AS item SET state = 'requested', state_at = %(now)s,"
        " tries = 1 WHERE item.handover_id = %(handover)s",
    ),
    "undo": (
        "UPDATE contacts_customer AS customer SET owner_id = NULL"
        " FROM contacts_handoveritem AS item"
        " WHERE item.handover_id = %(handover)s AND customer.id = item.customer_id",
        "UPDATE contacts_ownershipperiod AS period SET ended_at = greatest(%(now)s, period.began_at)"
        " FROM contacts_handoveritem AS item WHERE item.handover_id = %(handover)s"
        " AND period.customer_id = item.customer_id AND period.ended_at IS NULL",
        "INSERT INTO contacts_ownershipperiod"
        " (customer_id, store_id, reason, began_at, handover_id)"
        " SELECT customer.id, customer.store_id, 'undone', %(now)s, %(handover)s"
        " FROM contacts_handoveritem AS item JOIN contacts_customer AS customer"
        " ON customer.id = item.customer_id WHERE item.handover_id = %(handover)s",
        "UPDATE contacts_handoveritem SET undone_at = %(now)s WHERE handover_id = %(handover)s",
    ),
}


def _list_alone(seconds: float = 10) -> list[float]:
    with reading("/customers/") as latencies:
        time.sleep(seconds)
    return latencies


def _compared() -> tuple[float, float, float]:
    """Compare with a WeCom that shows a tenth of the follows: how many, seconds, MB."""
    far = [sys.executable, "-m", "bench.far_wecom"]
    with subprocess.Popen(far, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as wecom:
        assert wecom.stdin
        assert wecom.stdout
        url = f"http://127.0.0.1:{wecom.stdout.readline().strip()}/cgi-bin"
        said = subprocess.check_output(
            [sys.executable, "-m", "bench.comparing"],
            env=os.environ | {"WECOM_API_URL": url},
            text=True,
        )
        wecom.stdin.close()
    follows, seconds, grown = map(float, said.split())
    return follows, seconds, grown


def _p95(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=20)[-1]


if __name__ == "__main__":
    sys.exit(main())
