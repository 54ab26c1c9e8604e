"""People at work: hired by the channel or by hand, leaving, and coming back."""

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.enums import Role, Scope, StaffState
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import Company, Department, RoleGrant, Staff, Store, User
from contacts.names import name_key


def staff_by_channel_userid(userid: str) -> Staff | None:
    """Return the staff member with this WeCom userid; WeCom compares userids without case."""
    return (
        Staff.objects.select_related("store", "department")
        .filter(wecom_userid__iexact=userid)
        .first()
    )


def staff_by_channel_userids(userids: Iterable[str]) -> dict[str, Staff]:
    """Return the staff members with these WeCom userids, by userid in lower case: one query."""
    wanted = {userid.lower() for userid in userids}
    people = Staff.objects.select_related("store", "department").annotate(
        userid=Lower("wecom_userid")
    )
    return {
        (person.wecom_userid or "").lower(): person for person in people.filter(userid__in=wanted)
    }


def rename_channel_userid(old: str, new: str) -> None:
    """Follow a change of userid in WeCom; a name that is taken already is left alone."""
    try:
        with transaction.atomic():
            Staff.objects.filter(wecom_userid__iexact=old).update(wecom_userid=new)
    except IntegrityError as error:
        if broken_constraint(error) != "contacts_staff_wecom_userid_key":
            raise


def left_the_channel(staff: Staff, *, now: datetime) -> None:
    """Note that WeCom has removed this person: from now on its leaver endpoints apply to them."""
    Staff.objects.filter(pk=staff.pk, left_channel_at=None).update(left_channel_at=now)


def hire_from_channel(userid: str, name: str, *, now: datetime) -> Staff:
    """Return the staff member with this userid, hiring one without an account if unknown.

    They land in the first store; where they belong is for the administrator to say.
    """
    known = staff_by_channel_userid(userid)
    if known:
        return known
    store = _first_store()
    with transaction.atomic():
        staff, created = Staff.objects.get_or_create(
            wecom_userid=userid,
            defaults={
                "department": store.department,
                "store": store,
                "name": name or userid,
                "name_key": name_key(name or userid),
                "state_at": now,
            },
        )
        if created:
            record(staff, "staff.hired", actor=None, at=now, source="wecom")
    return staff


def hire_administrator(username: str, *, name: str, password: str, now: datetime) -> Staff:
    """Hire somebody with an account and the whole company in their hands.

    Makes company, department and store where there are none. Raises ``RuleBroken`` if the user
    name is taken; case makes no difference.
    """
    taken = RuleBroken(_("There is an account %(name)s already.") % {"name": username})
    if User.objects.filter(username__iexact=username).exists():
        raise taken
    try:
        with transaction.atomic():
            store = _first_store()
            staff = Staff.objects.create(
                user=User.objects.create_user(username, password=password),
                department=store.department,
                store=store,
                name=name,
                name_key=name_key(name),
                state_at=now,
            )
            RoleGrant.objects.create(staff=staff, role=Role.ADMINISTRATOR, scope=Scope.COMPANY)
            record(staff, "staff.hired", actor=None, at=now, source="command")
    except IntegrityError as error:
        if broken_constraint(error) != "contacts_user_username_key":
            raise
        raise taken from error
    return staff


def _first_store() -> Store:
    if not Company.objects.exists():
        Company.objects.create(legal_name=_("Our company"), short_name=_("Our company"))
    store = Store.objects.select_related("department").order_by("pk").first()
    if store:
        return store
    department, _created = Department.objects.get_or_create(parent=None, name=_("Head office"))
    return Store.objects.create(department=department, name=_("First store"), code="store-1")


def rehire_staff(staff: Staff, *, actor: Staff | None, now: datetime) -> None:
    """Take a departed person back onto their old row, with their account; customers stay put."""
    with transaction.atomic():
        back = Staff.objects.filter(pk=staff.pk, state=StaffState.DEPARTED).update(
            state=StaffState.ACTIVE,
            state_at=now,
            departed_at=None,
            leaves_on=None,
            left_channel_at=None,
        )
        if not back:
            raise MovedOn(_("%(name)s works here already.") % {"name": staff.name})
        User.objects.filter(staff=staff).update(is_active=True)
        record(staff, "staff.rehired", actor=actor, at=now)
    staff.refresh_from_db()


def announce_leaving(
    staff: Staff, *, leaves_on: datetime, actor: Staff | None, now: datetime
) -> None:
    """Mark somebody as leaving on a date; they keep working until then."""
    if leaves_on < now:
        raise RuleBroken(_("The last day cannot lie in the past."))
    with transaction.atomic():
        marked = Staff.objects.filter(pk=staff.pk, state=StaffState.ACTIVE).update(
            state=StaffState.LEAVING, state_at=now, leaves_on=leaves_on.date()
        )
        if not marked:
            raise MovedOn(_("%(name)s is not at work any more.") % {"name": staff.name})
        record(staff, "staff.leaving", actor=actor, at=now)
    staff.refresh_from_db()
