"""Loading the company itself: departments, stores, staff with accounts and roles, rules, tags."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from contacts.enums import Role, StaffState
from contacts.models import (
    Company,
    Department,
    PoolRule,
    RoleGrant,
    Staff,
    Store,
    Tag,
    TagGroup,
    User,
)
from contacts.names import name_key
from crm.demo import cast

PasswordFor = Callable[[str], str]
"""Says the password of a persona's account; the caller makes it up and remembers it."""

FRIDAY = 4


@dataclass(frozen=True)
class Organisation:
    """What was loaded, by the names of ``cast``: stores by code, staff by userid, tags by name."""

    stores: dict[str, Store]
    staff: dict[str, Staff]
    tags: dict[str, Tag]


def load_organisation(*, now: datetime, password_for: PasswordFor) -> Organisation:
    """Create the company and everybody who works in it."""
    Company.objects.create(
        legal_name=cast.LEGAL_NAME,
        short_name=cast.SHORT_NAME,
        licence_number="91310000MA1DEMO000",
        contact_line="400-000-0000",
        is_demo=True,
    )
    departments = _load_departments()
    stores = {
        shop.code: Store.objects.create(
            department=departments[shop.wecom_department],
            name=shop.name,
            code=shop.code,
            city=shop.city,
            address=shop.address,
        )
        for shop in cast.SHOPS
    }
    staff = {
        post.userid: _load_post(post, stores, departments, number, now, password_for)
        for number, post in enumerate(cast.POSTS)
    }
    PoolRule.objects.create(claiming=True)
    return Organisation(stores, staff, _load_tags())


def _load_departments() -> dict[int, Department]:
    office = Department.objects.create(name=cast.SHORT_NAME, wecom_id=cast.HEAD_OFFICE)
    found = {cast.HEAD_OFFICE: office}
    for name, wecom_id in (*cast.REGIONS.items(), ("市场部", cast.MARKETING)):
        found[wecom_id] = Department.objects.create(name=name, wecom_id=wecom_id, parent=office)
    for shop in cast.SHOPS:
        found[shop.wecom_department] = Department.objects.create(
            name=shop.name,
            wecom_id=shop.wecom_department,
            parent=found[cast.REGIONS[shop.region]],
        )
    return found


def _load_post(
    post: cast.Post,
    stores: dict[str, Store],
    departments: dict[int, Department],
    number: int,
    now: datetime,
    password_for: PasswordFor,
) -> Staff:
    leaving = post.userid == cast.LEAVER
    store = stores.get(post.shop)
    staff = Staff.objects.create(
        user=_account(post, password_for),
        department=store.department if store else departments[_office_of(post)],
        store=store,
        name=post.name,
        name_key=name_key(post.name),
        phone=f"+86154{90000000 + number}",
        email=f"{post.login.lower()}@yutang.example",
        wecom_userid=post.userid,
        leaves_on=next_friday(now) if leaving else None,
        state=StaffState.LEAVING if leaving else StaffState.ACTIVE,
        state_at=now - timedelta(days=400 - 9 * number if not leaving else 2),
    )
    RoleGrant.objects.create(staff=staff, role=post.role, scope=post.scope)
    return staff


def _account(post: cast.Post, password_for: PasswordFor) -> User:
    """Personas get a password; the others cannot sign in until somebody gives them one."""
    password = password_for(post.login) if post.login in cast.PERSONAS else None
    return User.objects.create_user(username=post.login, first_name=post.name, password=password)


def _office_of(post: cast.Post) -> int:
    return cast.MARKETING if post.role == Role.MARKETER else cast.HEAD_OFFICE


def next_friday(now: datetime) -> date:
    """The coming Friday, today if it is one."""
    return now.date() + timedelta(days=(FRIDAY - now.weekday()) % 7)


def _load_tags() -> dict[str, Tag]:
    tags = {}
    for place, (group_name, exclusive, names) in enumerate(cast.TAG_GROUPS):
        group = TagGroup.objects.create(name=group_name, is_exclusive=exclusive, position=place)
        for position, name in enumerate(names):
            tags[name] = Tag.objects.create(group=group, name=name, position=position)
    return tags
