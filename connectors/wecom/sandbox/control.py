"""The control side, ``POST /sandbox/…``: what people and time do around the API.

Each function takes the world and a call and returns the answer. ``Refusal`` becomes
HTTP 400 with ``{"error": …}``. All of them are journaled. See the README for bodies.
"""

from collections.abc import Callable
from functools import partial

from connectors.wecom.sandbox import (
    confirmations,
    fields,
    groups,
    moments,
    relations,
    transfers,
    ways,
)
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.faults import set_faults
from connectors.wecom.sandbox.people import staff_at_work
from connectors.wecom.sandbox.seeding import ANY, seed
from connectors.wecom.sandbox.state import Call, Customer, Json, World
from connectors.wecom.sandbox.transfers import YEAR, void_transfers


def set_clock(world: World, call: Call) -> Json:
    """Advance by whole or broken seconds and let everything happen that is due by then."""
    seconds = call.body.get("advance", 0)
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 0 <= seconds <= YEAR:
        raise Refusal(40058, "advance is a number of seconds, from 0 to a year")
    world.clock.offset += seconds
    world.agenda.run(call.at + seconds)
    return clock(world, call.at + seconds)


def clock(world: World, at: float) -> Json:
    return {"now": at, "offset": world.clock.offset, "due": len(world.agenda)}


def confirm(world: World, call: Call) -> Json:
    share = call.body.get("share", 1.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise Refusal(40058, "share is a number from 0 to 1")
    userid, msgid = fields.text(call.body, "userid"), fields.text(call.body, "msgid")
    return confirmations.confirm(world, call.at, userid=userid, msgid=msgid, share=share)


def scan(world: World, call: Call) -> Json:
    """People scan the code with ``state`` (or add ``userid`` by hand), evenly over ``spread`` seconds."""
    state, userid = fields.text(call.body, "state"), fields.text(call.body, "userid")
    people = fields.records(call.body, "people", most=ANY)
    for person in people:
        fields.needed(person, "external_userid")
    if userid:
        staff_at_work(world, userid)
    elif ways.way_of_state(world, state) is None:
        raise Refusal(41044, f"no contact way with state {state!r}")
    spread = fields.number(call.body, "spread")
    if not 0 <= spread <= YEAR:
        raise Refusal(40058, "spread is a number of seconds, from 0 to a year")
    for position, person in enumerate(people):
        at = round(call.at + position * spread / len(people), 3)
        world.agenda.add(at, partial(_scan_one, world, person, state, userid))
    world.agenda.run(call.at)
    return {"scheduled": len(people)}


def depart(world: World, call: Call) -> Json:
    staff = staff_at_work(world, fields.needed(call.body, "userid"))
    return {"unassigned": relations.depart(world, call.at, staff.userid)}


def decide(world: World, call: Call) -> Json:
    """Whoever is being handed over by a member accepts or refuses now; the clock stays."""
    return {"decided": transfers.decide(world, call.at, fields.needed(call.body, "userid"))}


def remove(world: World, call: Call) -> Json:
    """One side ends a relation: ``by`` customer or staff."""
    userid, external_userid = (
        fields.needed(call.body, name) for name in ("userid", "external_userid")
    )
    follow = world.follow(userid, external_userid)
    if follow is None:
        raise Refusal(84061)
    by = call.body.get("by")
    if by not in ("customer", "staff"):
        raise Refusal(40058, "by is customer or staff")
    void_transfers(world, userid, external_userid)
    end = relations.remove_by_customer if by == "customer" else relations.remove_by_staff
    end(world, call.at, follow)
    return {}


def faults(world: World, call: Call) -> Json:
    set_faults(world, call.body, call.at)
    return {"faults": world.faults, "callbacks": dict(world.callback_faults)}


ROUTES: dict[str, Callable[[World, Call], Json]] = {
    "/sandbox/seed": seed,
    "/sandbox/clock": set_clock,
    "/sandbox/confirm": confirm,
    "/sandbox/publish": moments.publish,
    "/sandbox/scan": scan,
    "/sandbox/depart": depart,
    "/sandbox/decide": decide,
    "/sandbox/remove": remove,
    "/sandbox/chat": groups.change,
    "/sandbox/faults": faults,
}


def _scan_one(world: World, person: Json, state: str, userid: str, at: float) -> None:
    """What the member on duty is now decides, not who it was when the scan was ordered."""
    external_userid = person["external_userid"]
    way = None if userid else ways.way_of_state(world, state)
    member = ways.next_member(world, way, external_userid) if way else userid
    if not member or not world.staff[member].at_work:
        return
    customer = relations.remember(
        world, Customer(external_userid, str(person.get("name", external_userid)))
    )
    for name in ("name", "unionid", "gender", "type", "mood"):
        if name in person:
            setattr(customer, name, person[name])
    relations.add_by_scan(world, at, member, external_userid, state)
