"""How a customer begins and ends to be somebody's, and the events that tell of it."""

from hashlib import sha256

from connectors.wecom.sandbox.callbacks import emit
from connectors.wecom.sandbox.state import Customer, Follow, Unassigned, WelcomeCode, World

SCANNED = 1
ASSIGNED = 202


def avatar(external_userid: str) -> str:
    return f"https://avatar.invalid/{sha256(external_userid.encode()).hexdigest()[:16]}"


def remember(world: World, customer: Customer) -> Customer:
    """The customer as known already, or this new one."""
    return world.customers.setdefault(customer.external_userid, customer)


def put_follow(world: World, follow: Follow) -> Follow:
    world.books[follow.userid][follow.external_userid] = follow
    world.customers[follow.external_userid].follows[follow.userid] = follow
    return follow


def drop_follow(world: World, follow: Follow) -> None:
    world.books[follow.userid].pop(follow.external_userid, None)
    world.customers[follow.external_userid].follows.pop(follow.userid, None)


def add_by_scan(
    world: World, at: float, userid: str, external_userid: str, state: str
) -> Follow | None:
    """Make the customer a follow of ``userid`` with an event and a welcome code.

    None when they are friends already: WeCom opens the chat and tells nobody.
    A colleague on WeCom (type 2) gets no welcome code.
    """
    if world.follow(userid, external_userid):
        return None
    world.unassigned.pop((userid, external_userid), None)
    follow = put_follow(
        world,
        Follow(
            seq=world.next_seq(),
            userid=userid,
            external_userid=external_userid,
            createtime=int(at),
            state=state,
            add_way=SCANNED,
            oper_userid=external_userid,
        ),
    )
    code = ""
    if world.customers[external_userid].type == 1:
        code = world.new_id("WELCOME")
        world.welcome_codes[code] = WelcomeCode(code, userid, external_userid, at)
    _tell(world, at, "add_external_contact", userid, external_userid, State=state, WelcomeCode=code)
    return follow


def remove_by_customer(world: World, at: float, follow: Follow) -> None:
    drop_follow(world, follow)
    _tell(world, at, "del_follow_user", follow.userid, follow.external_userid)


def remove_by_staff(world: World, at: float, follow: Follow, *, source: str = "") -> None:
    drop_follow(world, follow)
    _tell(world, at, "del_external_contact", follow.userid, follow.external_userid, Source=source)


def add_by_transfer(world: World, at: float, old: Follow, takeover: str) -> Follow | None:
    """Give the customer of ``old`` to ``takeover`` with remark and tags; None when they are friends already."""
    if world.follow(takeover, old.external_userid):
        return None
    follow = put_follow(
        world,
        Follow(
            seq=world.next_seq(),
            userid=takeover,
            external_userid=old.external_userid,
            createtime=int(at),
            remark=old.remark,
            description=old.description,
            remark_company=old.remark_company,
            remark_mobiles=list(old.remark_mobiles),
            tag_ids=list(old.tag_ids),
            add_way=ASSIGNED,
            oper_userid=takeover,
        ),
    )
    _tell(world, at, "add_external_contact", takeover, old.external_userid)
    return follow


def tell_transfer_failed(
    world: World, at: float, takeover: str, external_userid: str, reason: str
) -> None:
    _tell(world, at, "transfer_fail", takeover, external_userid, FailReason=reason)


def depart(world: World, at: float, userid: str) -> int:
    """Remove a member: their customers wait in the unassigned list; returns how many."""
    world.staff[userid].departed_at = at
    follows = list(world.books[userid].values())
    for follow in follows:
        drop_follow(world, follow)
        key = (userid, follow.external_userid)
        world.unassigned[key] = Unassigned(world.next_seq(), follow, at)
    emit(world, at, {"Event": "change_contact", "ChangeType": "delete_user", "UserID": userid})
    return len(follows)


def _tell(
    world: World, at: float, change: str, userid: str, external_userid: str, **more: str
) -> None:
    head = {"Event": "change_external_contact", "ChangeType": change}
    emit(world, at, {**head, "UserID": userid, "ExternalUserID": external_userid, **more})
