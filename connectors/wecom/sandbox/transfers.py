"""A10: customers handed from one member to another, on the job or after leaving.

An errcode 0 per customer means *started*. What comes of it is decided later, on
the sandbox clock, by the customer's mood and the takeover's room.
"""

from functools import partial

from connectors.wecom.sandbox import fields, relations
from connectors.wecom.sandbox.clock import DAY, HOUR
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.people import staff_at_work
from connectors.wecom.sandbox.state import Call, Follow, Json, Transfer, Unassigned, World

MAX_CUSTOMERS = 100
MESSAGE_CHARS = 200
TRANSFERS_ALLOWED = 2
TRANSFER_WINDOW = 90 * DAY
YEAR = 365 * DAY

AUTO_ACCEPT = 24 * HOUR
SILENT_ACCEPT = 72 * HOUR
REFUSES_AFTER = 6 * HOUR
DELETES_AFTER = 1 * HOUR

DONE, WAITING, REFUSED, FULL, NO_RECORD = 1, 2, 3, 4, 5


def transfer_customer(world: World, call: Call) -> Json:
    fields.text(call.body, "transfer_success_msg", chars=MESSAGE_CHARS)
    handover = world.staff.get(fields.needed(call.body, "handover_userid"))
    if handover is not None and not handover.at_work:
        raise Refusal(40003, "handover_userid", breach="on-job transfer from a member who has left")
    return _start_all(world, call, resigned=False)


def resigned_transfer_customer(world: World, call: Call) -> Json:
    return _start_all(world, call, resigned=True)


def transfer_result(world: World, call: Call) -> Json:
    return _result(world, call, resigned=False)


def resigned_transfer_result(world: World, call: Call) -> Json:
    return _result(world, call, resigned=True)


def get_unassigned_list(world: World, call: Call) -> Json:
    """Customers of all leavers of the last year who have not been accepted by anybody."""
    open_rows = [row for row in world.unassigned.values() if row.left_at > call.at - YEAR]
    rows, cursor = fields.page(
        world,
        call.body,
        open_rows,
        lambda row: row.seq,
        most=1000,
        default=1000,
        size_name="page_size",
    )
    shown = [
        {
            "handover_userid": row.follow.userid,
            "external_userid": row.follow.external_userid,
            "dimission_time": int(row.left_at),
        }
        for row in rows
    ]
    return {"info": shown, "is_last": not cursor, "next_cursor": cursor}


def void_transfers(world: World, userid: str, external_userid: str) -> None:
    """The relation is gone: what waits for its transfer has no record any more (refused, for a leaver)."""
    for transfer in world.transfer_history[external_userid]:
        if transfer.status == WAITING and transfer.handover == userid:
            transfer.status = REFUSED if transfer.resigned else NO_RECORD


def decide(world: World, at: float, handover: str) -> int:
    """The customers of a member decide now, not in hours; silent ones wait. Returns how many did."""
    waiting = [
        transfer
        for transfer in world.transfers.values()
        if transfer.status == WAITING
        and transfer.handover == handover
        and world.customers[transfer.external_userid].mood != "silent"
    ]
    for transfer in waiting:
        refuses = world.customers[transfer.external_userid].mood == "refuse"
        (_refuse if refuses else _accept)(world, transfer, at)
    return len(waiting)


def _start_all(world: World, call: Call, *, resigned: bool) -> Json:
    handover = fields.needed(call.body, "handover_userid")
    takeover = fields.needed(call.body, "takeover_userid")
    wanted = fields.strings(call.body, "external_userid", most=MAX_CUSTOMERS, least=1)
    if handover not in world.staff:
        raise Refusal(40003, "handover_userid")
    staff_at_work(world, takeover, errcode=40003)
    if resigned and world.staff[handover].at_work:
        world.ledger.breach(call.at, call.path, "leaver transfer before the member has left")
    codes = {
        who: _start(world, call.at, handover, takeover, who, resigned=resigned) for who in wanted
    }
    customers = [{"external_userid": who, "errcode": code} for who, code in codes.items()]
    world.ledger.transfer_calls.append(
        {
            "at": call.at,
            "resigned": resigned,
            "handover": handover,
            "takeover": takeover,
            "message": fields.text(call.body, "transfer_success_msg"),
            "customer": customers,
        }
    )
    return {"customer": customers}


def _start(
    world: World, at: float, handover: str, takeover: str, who: str, *, resigned: bool
) -> int:
    """Begin one customer's transfer and return 0, or the errcode that speaks against it."""
    code = _objection(world, at, handover, takeover, who, resigned=resigned)
    if code:
        return code
    mood = world.customers[who].mood
    due = at + (SILENT_ACCEPT if mood == "silent" else AUTO_ACCEPT)
    transfer = Transfer(world.next_seq(), resigned, handover, takeover, who, at, due)
    world.transfers[(resigned, handover, takeover, who)] = transfer
    world.transfer_history[who].append(transfer)
    if mood == "refuse":
        world.agenda.add(at + REFUSES_AFTER, partial(_refuse, world, transfer))
    else:
        world.agenda.add(due, partial(_accept, world, transfer))
    return 0


def _objection(
    world: World, at: float, handover: str, takeover: str, who: str, *, resigned: bool
) -> int:
    if handover == takeover:
        return 40130
    if who not in world.customers:
        return 40096
    if resigned and world.staff[handover].at_work:
        return 40097
    return _objection_to_staff(world, takeover) or _objection_to_relation(
        world, at, handover, takeover, who, resigned=resigned
    )


def _objection_to_staff(world: World, takeover: str) -> int:
    staff = world.staff[takeover]
    if not staff.active:
        return 41054
    if not staff.can_follow:
        return 84074
    if not staff.real_name:
        return 40098
    return 40099 if len(world.books[takeover]) >= staff.capacity else 0


def _objection_to_relation(
    world: World, at: float, handover: str, takeover: str, who: str, *, resigned: bool
) -> int:
    for transfer in world.transfer_history[who]:
        if transfer.status == WAITING and transfer.handover == handover:
            return 40129 if transfer.takeover == takeover else 40100
    if _relation(world, handover, who, resigned=resigned) is None:
        return 40131
    recent = [
        t
        for t in world.transfer_history[who]
        if not t.resigned and t.status == DONE and t.requested_at > at - TRANSFER_WINDOW
    ]
    return 40128 if not resigned and len(recent) >= TRANSFERS_ALLOWED else 0


def _relation(world: World, handover: str, who: str, *, resigned: bool) -> Follow | None:
    waiting: Unassigned | None = world.unassigned.get((handover, who))
    if waiting:
        return waiting.follow
    return None if resigned else world.follow(handover, who)


def _accept(world: World, transfer: Transfer, at: float) -> None:
    """24 hours without a refusal: the takeover has the customer, if there is room."""
    if transfer.status != WAITING:
        return
    old = _relation(world, transfer.handover, transfer.external_userid, resigned=transfer.resigned)
    takeover = world.staff[transfer.takeover]
    if old is None or not takeover.at_work:
        transfer.status = FULL if transfer.resigned else NO_RECORD
        return
    friends = world.follow(takeover.userid, old.external_userid)
    full = (
        takeover.userid in world.knobs.takeover_full
        or len(world.books[takeover.userid]) >= takeover.capacity
    )
    if full and not friends:
        _finish(world, transfer, at, FULL, "customer_limit_exceed")
        return
    transfer.status, transfer.takeover_time = DONE, at
    _end_old_relation(world, at, old)
    new = relations.add_by_transfer(world, at, old, takeover.userid)
    if new and world.customers[old.external_userid].mood == "delete":
        world.agenda.add(at + DELETES_AFTER, partial(_leave, world, new))


def _refuse(world: World, transfer: Transfer, at: float) -> None:
    """On the job the customer stays where they were; a leaver's customer is lost."""
    if transfer.status != WAITING:
        return
    if transfer.resigned:
        world.unassigned.pop((transfer.handover, transfer.external_userid), None)
    _finish(world, transfer, at, REFUSED, "customer_refused")


def _finish(world: World, transfer: Transfer, at: float, status: int, reason: str) -> None:
    transfer.status, transfer.takeover_time = status, at
    relations.tell_transfer_failed(world, at, transfer.takeover, transfer.external_userid, reason)


def _end_old_relation(world: World, at: float, old: Follow) -> None:
    if world.unassigned.pop((old.userid, old.external_userid), None) is None:
        relations.remove_by_staff(world, at, old, source="DELETE_BY_TRANSFER")


def _leave(world: World, follow: Follow, at: float) -> None:
    if world.follow(follow.userid, follow.external_userid) is follow:
        void_transfers(world, follow.userid, follow.external_userid)
        relations.remove_by_customer(world, at, follow)


def _result(world: World, call: Call, *, resigned: bool) -> Json:
    handover = fields.needed(call.body, "handover_userid")
    takeover = fields.needed(call.body, "takeover_userid")
    rows = [
        t
        for t in world.transfers.values()
        if (t.resigned, t.handover, t.takeover) == (resigned, handover, takeover)
    ]
    rows, cursor = fields.page(world, call.body, rows, lambda t: t.seq, most=1000, default=1000)
    shown = [
        {
            "external_userid": t.external_userid,
            "status": t.status,
            "takeover_time": int(t.takeover_time),
        }
        for t in rows
    ]
    return {"customer": shown, "next_cursor": cursor}
