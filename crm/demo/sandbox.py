"""Telling the sandbox of the same company, so that both sides know the same people."""

from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import OuterRef, Q, Subquery

from connectors.wecom.api.contact_ways import ContactWay, add_contact_way
from connectors.wecom.client import WeComClient
from connectors.wecom.sandbox.client import SandboxControl
from contacts.enums import Gender, IdentityKind
from contacts.models import (
    ContactCode,
    Department,
    Follow,
    GroupChat,
    Identity,
    Staff,
    Tag,
    TagGroup,
)
from crm.demo import cast

Json = dict[str, Any]

REFUSES_EVERY = 14
"""Of the leaver's customers every fourteenth refuses the first colleague."""

_GENDERS = {Gender.MALE.value: 1, Gender.FEMALE.value: 2}


def seed_sandbox(control: SandboxControl) -> None:
    """Tell the sandbox of staff, tags, customers and follows, unless it knows them already.

    Safe to interrupt: what is told twice changes nothing, and nothing is told any more once all
    customers are there, because by then the story may have moved on.
    """
    people = Follow.objects.active().values("customer").distinct().count()
    if control.ledger()["customers"] >= people:
        return
    tags = control.seed(departments=_departments(), staff=_staff(), tags=_tags())
    for group, ids in tags.items():
        for name, tag_id in ids.items():
            Tag.objects.filter(group__name=group, name=name).update(wecom_id=tag_id)
    control.seed(groups=_groups())
    control.seed(customers=_customers())


def publish_codes(client: WeComClient) -> None:
    """Make every contact code known to WeCom, as the administrator would."""
    for code in ContactCode.objects.filter(config_id=""):
        on_duty = code.staff_on_duty.exclude(wecom_userid=None).order_by("pk")
        way = ContactWay(
            users=[userid for person in on_duty if (userid := person.wecom_userid)],
            state=code.state,
            remark=code.name[:30],
        )
        made = add_contact_way(client, way)
        ContactCode.objects.filter(pk=code.pk).update(
            config_id=made.config_id, qr_code_url=made.qr_code
        )


def _departments() -> list[Json]:
    rows = Department.objects.filter(wecom_id__gt=cast.HEAD_OFFICE).select_related("parent")
    return [
        {"id": row.wecom_id, "name": row.name, "parentid": row.parent.wecom_id if row.parent else 1}
        for row in rows
    ]


def _staff() -> list[Json]:
    employed = Staff.objects.employed().select_related("department")
    rows = employed.filter(wecom_userid__isnull=False).order_by("pk")
    return [
        {
            "userid": row.wecom_userid,
            "name": row.name,
            "department": [row.department.wecom_id or cast.HEAD_OFFICE],
        }
        for row in rows
    ]


def _groups() -> list[Json]:
    chats = GroupChat.objects.filter(owner__isnull=False).select_related("owner").order_by("pk")
    return [
        {
            "chat_id": chat.chat_id,
            "name": chat.name,
            "owner": chat.owner.wecom_userid,
            "members": [
                {"userid": chat.owner.wecom_userid},
                *({"userid": address, "type": 2} for address in chat.customers),
            ],
        }
        for chat in chats
        if chat.owner
    ]


def _tags() -> list[Json]:
    groups = TagGroup.objects.prefetch_related("tags").order_by("position")
    return [
        {"group": group.name, "names": [tag.name for tag in group.tags.all()]} for group in groups
    ]


def _customers() -> Iterator[Json]:
    """Everybody who is connected with somebody, with all their follows; the leaver's with a mood."""
    identity = Identity.objects.filter(customer=OuterRef("customer"))
    rows = (
        Follow.objects.active()
        .filter(staff__wecom_userid__isnull=False)
        .annotate(
            address=Subquery(identity.filter(kind=IdentityKind.WECOM).values("value")[:1]),
            unionid=Subquery(identity.filter(kind=IdentityKind.WECHAT).values("value")[:1]),
            tag_ids=ArrayAgg(
                "customer__carried_tags__tag__wecom_id",
                filter=Q(customer__carried_tags__tag__wecom_id__isnull=False),
                default=[],
            ),
        )
        .select_related("staff", "customer")
        .order_by("customer_id", "pk")
    )
    person: Json = {}
    leavers = 0
    for row in rows:
        if person.get("external_userid") != row.address:
            if person:
                yield person
            person = _person(row)
        if row.staff.wecom_userid == cast.LEAVER:
            leavers += 1
            person["mood"] = "refuse" if leavers % REFUSES_EVERY == 0 else "accept"
        person["follows"].append(_follow(row))
    if person:
        yield person


def _person(row: Any) -> Json:
    return {
        "external_userid": row.address,
        "name": row.customer.name,
        "unionid": row.unionid or "",
        "gender": _GENDERS.get(row.customer.gender, 0),
        "follows": [],
    }


def _follow(row: Any) -> Json:
    return {
        "userid": row.staff.wecom_userid,
        "createtime": int(row.began_at.timestamp()),
        "tag_ids": row.tag_ids,
        "add_way": row.add_way,
        "state": row.came_by,
    }
