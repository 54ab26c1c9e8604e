"""The third part of the story: a guide leaves, and her 250 customers are handed over."""

from collections import Counter
from datetime import timedelta

from django.db.models import Count
from django.utils import timezone

from connectors.wecom.sandbox.client import SandboxControl
from contacts.actions.handovers import (
    finish_handover,
    propose_receivers,
    start_handover,
)
from contacts.actions.settlement import check_handover
from contacts.actions.sharing import Strategy
from contacts.enums import (
    HandoverState,
    ItemState,
    OwnershipReason,
    RequestState,
    StaffState,
)
from contacts.models import Customer, Handover, HandoverItem, OwnershipPeriod, Staff
from contacts.models.handovers import REQUEST_LIMIT
from contacts.queries import handover_progress
from crm.actions.departures import let_go
from crm.demo import cast
from crm.demo.report import Report
from crm.demo.sandbox import REFUSES_EVERY
from crm.demo.stage import Stage

CUSTOMERS = 250
ROOM = 105
"""How many more contacts the second receiver may have at WeCom; she is proposed 125."""

PATIENCE = timedelta(seconds=90)

_BEING_MADE = (RequestState.PREPARED, RequestState.CALLING, RequestState.UNCLEAR)


def run(stage: Stage) -> None:
    """Walk the departure to its end, from wherever an earlier start left it."""
    handover = _departure(stage)
    if handover.state == HandoverState.DONE:
        return
    if handover.state == HandoverState.PLANNED:
        _start(stage, handover)
    while handover_progress(handover).moving:
        if not _settle_round(stage, handover):
            stage.terminal.say("handover: customers are still deciding; WeCom says nothing yet")
            return
    handover.refresh_from_db()
    if handover.state == HandoverState.RUNNING:
        finish_handover(handover, actor=stage.company.manager, now=timezone.now())


def measure(stage: Stage) -> Report:
    """Add up where the customers are, and compare with what the channel says."""
    leaver = stage.company.leaver
    handover = Handover.objects.get(from_staff=leaver)
    progress = handover_progress(handover)
    report = Report(f"{leaver.name} leaves, and her customers are handed over")
    report.say("customers", handover.size)
    for receiver in progress.receivers:
        taken = receiver.states.get(ItemState.ACCEPTED, 0)
        report.say(f"accepted by {receiver.staff.name}", taken)
    for state, reason, count in _not_accepted(handover):
        label = ItemState(state).label
        report.say(f"{label}: {reason}" if reason else f"{label}", count)
    pool = Customer.objects.filter(handover_items__handover=handover, owner=None)
    report.say(f"resting in the pool of {handover.store.name}", pool.count())
    custody = OwnershipPeriod.objects.filter(handover=handover, reason=OwnershipReason.CUSTODY)
    report.expect("customers to hand over", handover.size, CUSTOMERS)
    report.expect("taken into custody of the store", custody.count(), CUSTOMERS)
    report.expect("states add up to", sum(progress.states.values()), CUSTOMERS)
    report.expect("still owned by her", Customer.objects.filter(owner=leaver).count(), 0)
    report.expect("owner differs from the outcome", _misplaced(handover), 0)
    report.expect("still undecided", progress.moving + progress.undecided, 0, why_not=stage.why_not)
    report.expect("state", HandoverState(handover.state).label, "done", why_not=stage.why_not)
    if stage.control:
        _compare(report, handover, stage.control)
    return report


def _not_accepted(handover: Handover) -> list[tuple[str, str, int]]:
    """How many customers nobody took, by state and by what the channel said."""
    rows = handover.items.exclude(state=ItemState.ACCEPTED)
    counted = rows.values_list("state", "reason").annotate(Count("pk"))
    return list(counted.order_by("state", "reason"))


def _departure(stage: Stage) -> Handover:
    """The handover that custody has planned; she departs first if she still works here."""
    leaver = stage.company.leaver
    leaver.refresh_from_db()
    if leaver.state != StaffState.DEPARTED:
        if stage.control:
            _remove_from_wecom(stage, stage.control, leaver)
        else:
            let_go(leaver.pk, actor=stage.company.manager, now=timezone.now())
        stage.wait(lambda: _has_departed(leaver), at_most=PATIENCE)
    handover = Handover.objects.get(from_staff=leaver)
    stage.terminal.say(
        f"handover: {leaver.name} has left; her {handover.size} customers are in the custody of "
        f"{handover.store.name}"
    )
    return handover


def _remove_from_wecom(stage: Stage, control: SandboxControl, leaver: Staff) -> None:
    """The company's administrator removes her account; a callback tells us."""
    userid = leaver.wecom_userid or ""
    if control.rows("follows", userid=userid):
        control.depart(userid)


def _has_departed(leaver: Staff) -> tuple[bool, str]:
    leaver.refresh_from_db()
    done = leaver.state == StaffState.DEPARTED
    return done, "" if done else f"handover: waiting for WeCom to say that {leaver.name} has left"


def _start(stage: Stage, handover: Handover) -> None:
    now, manager = timezone.now(), stage.company.manager
    shares = propose_receivers(
        handover, stage.company.receivers, strategy=Strategy.EVENLY, actor=manager, now=now
    )
    if stage.control:
        _limit_room(stage.control, stage.company.receivers[1])
    names = ", ".join(f"{share.staff or 'the pool'} {share.customers}" for share in shares)
    stage.terminal.say(f"handover: {manager.name} proposes {names}, and starts it")
    start_handover(handover, actor=manager, now=now)


def _limit_room(control: SandboxControl, receiver: Staff) -> None:
    userid = receiver.wecom_userid or ""
    contacts = len(control.rows("follows", userid=userid))
    department = receiver.department.wecom_id or cast.HEAD_OFFICE
    person = {"userid": userid, "name": receiver.name, "department": [department]}
    control.seed(staff=[{**person, "capacity": contacts + ROOM}])


def _settle_round(stage: Stage, handover: Handover) -> bool:
    """Wait for the requests, let the customers decide, and ask how they did."""
    stage.wait(lambda: _is_asked(handover), at_most=PATIENCE)
    waiting = handover.items.filter(state=ItemState.WAITING)
    if stage.control and waiting.exists():
        decided = stage.control.decide(handover.from_staff.wecom_userid or "")
        stage.terminal.say(
            f"handover: {decided} customers decide at once, for which they would have 24 hours"
        )
    return stage.wait(lambda: _is_decided(handover), at_most=PATIENCE)


def _is_asked(handover: Handover) -> tuple[bool, str]:
    progress = handover_progress(handover)
    requests = progress.requests
    total, left = sum(requests.values()), sum(requests.get(state, 0) for state in _BEING_MADE)
    words = f"handover: {total - left} of {total} requests of at most {REQUEST_LIMIT} made"
    return not left and not progress.states.get(ItemState.PLANNED), words


def _is_decided(handover: Handover) -> tuple[bool, str]:
    if handover.items.filter(state=ItemState.WAITING).exists():
        check_handover(handover.pk, now=timezone.now(), early=True)
    progress = handover_progress(handover)
    accepted = progress.states.get(ItemState.ACCEPTED, 0)
    again = progress.states.get(ItemState.PLANNED, 0)
    words = f"handover: {accepted} accepted, {progress.moving} on their way"
    if again:
        words += f", {again} of them offered to the next colleague"
    return not handover.items.filter(state=ItemState.WAITING).exists(), words


def _misplaced(handover: Handover) -> int:
    """Customers whose owner is not the one whom the outcome names; the pool for those not taken."""
    return sum(
        item.customer.owner_id != (item.to_staff_id if _is_taken(item) else None)
        for item in handover.items.select_related("customer")
    )


def _is_taken(item: HandoverItem) -> bool:
    return item.state in {ItemState.ACCEPTED, ItemState.WAITING, ItemState.REQUESTED}


def _compare(report: Report, handover: Handover, control: SandboxControl) -> None:
    userid = handover.from_staff.wecom_userid or ""
    calls = [row for row in control.rows("transfer_calls") if row["handover"] == userid]
    sizes = [len(row["customer"]) for row in calls]
    transfers = control.rows("transfers", handover=userid)
    outcomes = Counter(row["status"] for row in transfers)
    refusing = {row["external_userid"] for row in transfers if row["status"] == 3}
    accepted = handover.items.filter(state=ItemState.ACCEPTED).count()
    report.say("requests made", f"{len(sizes)}, of {', '.join(map(str, sizes))} customers")
    report.say("offers that customers refused", outcomes[3])
    report.say("offers to a colleague who was full", outcomes[4])
    report.expect_that(
        f"no request over {REQUEST_LIMIT}",
        max(sizes, default=0),
        right=0 < max(sizes, default=0) <= REQUEST_LIMIT,
    )
    report.expect("accepted, says WeCom", outcomes[1], accepted)
    report.expect("customers who refuse", len(refusing), CUSTOMERS // REFUSES_EVERY)
    report.expect("calls beyond a documented limit", control.ledger()["violations_total"], 0)
