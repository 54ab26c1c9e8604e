"""What a merge of two records will come to, before anybody confirms it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from contacts.actions.merging import ONE_AT_A_TIME
from contacts.enums import Gender, IdentityKind, LossState, TaskKind, TaskState
from contacts.models import Coupon, Customer, Follow, Interaction, Merge, Tag
from crm.access import Viewer
from crm.customer_queries import orders_about, shown_number
from crm.queries import COUNT_CAP, capped_count
from crm.templatetags.liuke import capped, listed, money


@dataclass(frozen=True, slots=True)
class Face:
    """What of a record shows in a merge."""

    name: str
    owner: str
    store: str
    phones: list[str]
    addresses: list[str]
    guides: list[str]
    tags: list[Tag]
    birthday: date | None
    gender: str
    city: str
    note: str
    spent: Decimal
    orders: int
    coupons: int
    talks: int
    tasks: list[str]
    refuses: bool
    is_lost: bool


def face_of(customer: Customer, viewer: Viewer) -> Face:
    """Read what a merge would join: eight queries."""
    theirs = Customer.objects.same_as(customer)
    rows = list(customer.identities.order_by("pk"))
    phone = IdentityKind.PHONE
    follows = Follow.objects.active().filter(customer=customer).select_related("staff")
    tasks = customer.tasks.filter(state=TaskState.OPEN)
    carried = Tag.objects.filter(carriers__customer=customer).select_related("group")
    return Face(
        name=customer.name,
        owner=customer.owner.name if customer.owner else "",
        store=customer.store.name,
        phones=sorted(shown_number(viewer, customer, row) for row in rows if row.kind == phone),
        addresses=sorted(str(row.get_kind_display()) for row in rows if row.kind != phone),
        guides=sorted({follow.staff.name for follow in follows}),
        tags=_in_order(carried),
        birthday=customer.birthday,
        gender=customer.gender,
        city=customer.city,
        note=customer.note,
        spent=customer.spent,
        orders=capped_count(orders_about(customer)),
        coupons=capped_count(Coupon.objects.about(customer)),
        talks=capped_count(Interaction.objects.filter(customer__in=theirs)),
        tasks=sorted(tasks.values_list("kind", flat=True)),
        refuses=customer.opted_out_at is not None,
        is_lost=customer.losses.filter(state=LossState.OPEN).exists(),
    )


def joined(gone: Face, kept: Face) -> Face:
    """Return what ``kept`` will be: the rules of ``contacts.actions.merging``, told beforehand."""
    full = {tag.group_id for tag in kept.tags if tag.group.is_exclusive}
    fresh = [tag for tag in gone.tags if tag not in kept.tags and tag.group_id not in full]
    guides = sorted({*kept.guides, *gone.guides})
    is_lost = (kept.is_lost or gone.is_lost) and not guides
    return Face(
        name=kept.name or gone.name,
        owner=kept.owner,
        store=kept.store,
        phones=sorted([*kept.phones, *gone.phones]),
        addresses=sorted([*kept.addresses, *gone.addresses]),
        guides=guides,
        tags=_in_order([*kept.tags, *fresh]),
        birthday=kept.birthday or gone.birthday,
        gender=kept.gender or gone.gender,
        city=kept.city or gone.city,
        note=kept.note or gone.note,
        spent=kept.spent + gone.spent,
        orders=_sum(kept.orders, gone.orders),
        coupons=_sum(kept.coupons, gone.coupons),
        talks=_sum(kept.talks, gone.talks),
        tasks=_tasks(gone, kept, is_found=(kept.is_lost or gone.is_lost) and not is_lost),
        refuses=kept.refuses or gone.refuses,
        is_lost=is_lost,
    )


def _tasks(gone: Face, kept: Face, *, is_found: bool) -> list[str]:
    fresh = [
        kind for kind in gone.tasks if kind not in kept.tasks or TaskKind(kind) not in ONE_AT_A_TIME
    ]
    both = sorted([*kept.tasks, *fresh])
    return [kind for kind in both if not (is_found and kind == TaskKind.WIN_BACK)]


def _sum(one: int, other: int) -> int:
    return min(one + other, COUNT_CAP + 1)


def _in_order(tags: Iterable[Tag]) -> list[Tag]:
    return sorted(tags, key=lambda tag: (tag.group.position, tag.group.name, tag.position, tag.pk))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the comparison: what it is about, in either record and in the result."""

    label: str | Promise
    kept: str
    gone: str
    result: str

    @property
    def is_alike(self) -> bool:
        """Whether both records say the same, and so will the result."""
        return self.kept == self.gone == self.result


_LINES: tuple[tuple[str | Promise, Callable[[Face], str]], ...] = (
    (_("Name"), lambda face: face.name),
    (_("Owner"), lambda face: face.owner or str(_("in the pool"))),
    (_("Store"), lambda face: face.store),
    (_("Phone"), lambda face: "\n".join(face.phones)),
    (_("Known in"), lambda face: listed(face.addresses)),
    (_("Connected in chat with"), lambda face: listed(face.guides)),
    (_("Tags"), lambda face: listed(tag.name for tag in face.tags)),
    (_("Birthday"), lambda face: date_format(face.birthday) if face.birthday else ""),
    (_("Gender"), lambda face: str(Gender(face.gender).label) if face.gender else ""),
    (_("City"), lambda face: face.city),
    (_("Note"), lambda face: face.note),
    (_("Spent in all"), lambda face: money(face.spent)),
    (_("Orders"), lambda face: capped(face.orders)),
    (_("Coupons"), lambda face: capped(face.coupons)),
    (_("Interactions"), lambda face: capped(face.talks)),
    (_("Open tasks"), lambda face: capped(len(face.tasks))),
    (_("Messages"), lambda face: str(_("wants none")) if face.refuses else ""),
)


def preview(gone: Customer, kept: Customer, viewer: Viewer) -> list[Line]:
    """Set two records beside each other and what they will be as one; leave out what neither has."""
    faces = face_of(kept, viewer), face_of(gone, viewer)
    result = joined(faces[1], faces[0])
    lines = [Line(label, *(said(face) for face in (*faces, result))) for label, said in _LINES]
    return [line for line in lines if line.kept or line.gone or line.result]


def merges_into(customer: Customer) -> QuerySet[Merge, Any]:
    """Return the merges by which the customer stands for other records, the newest first."""
    standing = Merge.objects.filter(undone_at=None, gone__merged_into=customer)
    return standing.select_related("gone", "merged_by").order_by("-at", "-pk")
