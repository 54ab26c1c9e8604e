"""People at work: hired by the channel or by hand, leaving, and coming back."""

from collections.abc import Iterable
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Lower
from django.utils import timezone
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


def rehire_staff(staff: Staff, *, actor: Staff | None, now: datetime, source: str = "") -> None:
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
        record(staff, "staff.rehired", actor=actor, at=now, source=source)
    staff.refresh_from_db()


def announce_leaving(
    staff: Staff, *, leaves_on: date, actor: Staff | None, now: datetime, source: str = ""
) -> None:
    """Mark somebody as leaving after their last day, or change that day; until then they work on.

    On the day after they depart by themselves; the suspended stay suspended until then. Raises
    ``RuleBroken`` for a day that is over, ``MovedOn`` if the person has departed.
    """
    if leaves_on < timezone.localdate(now):
        raise RuleBroken(_("The last day cannot lie in the past."))
    person = Staff.objects.filter(pk=staff.pk)
    at_work = person.filter(state__in=[StaffState.ACTIVE, StaffState.LEAVING])
    on_leave = person.filter(state=StaffState.SUSPENDED)
    with transaction.atomic():
        known = at_work.update(state=StaffState.LEAVING, state_at=now, leaves_on=leaves_on)
        if not (known or on_leave.update(leaves_on=leaves_on)):
            raise MovedOn(_("%(name)s is not at work any more.") % {"name": staff.name})
        record(
            staff,
            "staff.leaving",
            actor=actor,
            at=now,
            data={"leaves_on": leaves_on.isoformat()},
            source=source,
        )
    staff.refresh_from_db()


def call_off_leaving(staff: Staff, *, actor: Staff | None, now: datetime, source: str = "") -> None:
    """Let somebody stay after all; raises ``MovedOn`` if they are not leaving (any more)."""
    with transaction.atomic():
        stays = Staff.objects.filter(pk=staff.pk, state=StaffState.LEAVING).update(
            state=StaffState.ACTIVE, state_at=now, leaves_on=None
        )
        if not stays:
            raise MovedOn(_("%(name)s is not leaving.") % {"name": staff.name})
        record(staff, "staff.stays", actor=actor, at=now, source=source)
    staff.refresh_from_db()


def suspend_staff(staff: Staff, *, actor: Staff | None, now: datetime, source: str = "") -> None:
    """Send somebody on a long leave: access ends, customers stay theirs until handed over.

    Sessions end for good, API keys rest. Nobody is handed over to them, and no campaign is sent
    in their name. Raises ``MovedOn`` if they are not at work, ``RuleBroken`` for the last
    administrator.
    """
    at_work = Staff.objects.filter(pk=staff.pk, state__in=[StaffState.ACTIVE, StaffState.LEAVING])
    with transaction.atomic():
        keep_an_administrator(staff.pk)
        if not at_work.update(state=StaffState.SUSPENDED, state_at=now):
            raise MovedOn(_("%(name)s is not at work any more.") % {"name": staff.name})
        close_account(staff)
        record(staff, "staff.suspended", actor=actor, at=now, source=source)
    staff.refresh_from_db()


def resume_staff(staff: Staff, *, actor: Staff | None, now: datetime, source: str = "") -> None:
    """Let somebody work again after a long leave; raises ``MovedOn`` if they are not suspended.

    Whoever had announced their last day is leaving again.
    """
    back_to = StaffState.LEAVING if staff.leaves_on else StaffState.ACTIVE
    with transaction.atomic():
        back = Staff.objects.filter(pk=staff.pk, state=StaffState.SUSPENDED).update(
            state=back_to, state_at=now
        )
        if not back:
            raise MovedOn(_("%(name)s is not suspended.") % {"name": staff.name})
        User.objects.filter(staff=staff).update(is_active=True)
        record(staff, "staff.resumed", actor=actor, at=now, source=source)
    staff.refresh_from_db()


def close_account(staff: Staff) -> None:
    """Let nobody in with this person's account, and end its sessions for good."""
    User.objects.filter(staff=staff).update(
        is_active=False, session_version=F("session_version") + 1
    )


def keep_an_administrator(staff_id: int) -> None:
    """Raise ``RuleBroken`` if without this person nobody could administer the whole company.

    Locks all who can, in the order of their keys: of several such changes at once one comes first.
    """
    grants = RoleGrant.objects.filter(role=Role.ADMINISTRATOR, scope=Scope.COMPANY)
    people = Staff.objects.filter(
        pk__in=grants.values("staff"), state__in=[StaffState.ACTIVE, StaffState.LEAVING]
    )
    able = {person.pk: person for person in people.select_for_update().order_by("pk")}
    if set(able) == {staff_id}:
        raise RuleBroken(
            _("%(name)s is the last administrator. Make somebody else one first.")
            % {"name": able[staff_id].name}
        )
