"""The brief: what a new owner should know of a customer before the first word."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import connection
from django.db.models import F, Model, Q, QuerySet, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils.translation import gettext as _

from contacts.enums import TaskKind, TaskState
from contacts.models import Customer, CustomerTag, Interaction, OwnershipPeriod, Staff, Tag, Task
from contacts.queries import holder_of, why_changed
from contacts.words import fill_words
from crm.enums import PAID_STATES, PENDING_STATES
from crm.models import Order

SHOWN_FOR = timedelta(days=30)
"""How long after a change of hands the brief stands on the customer's page."""

INTERACTIONS_SHOWN = 3
LIKES_SHOWN = 3
WHOSE = "whose"

_LIKES = """
SELECT customer, category FROM (
    SELECT customer, category, sum(quantity),
           row_number() OVER (PARTITION BY customer ORDER BY sum(quantity) DESC, category) AS place
    FROM (
        SELECT coalesce(buyer.merged_into_id, buyer.id) AS customer,
               item ->> 'category' AS category,
               CASE WHEN jsonb_typeof(item -> 'quantity') = 'number'
                    THEN (item ->> 'quantity')::numeric ELSE 1 END AS quantity
        FROM contacts_customer AS buyer
        JOIN crm_order ON crm_order.customer_id = buyer.id
        CROSS JOIN LATERAL jsonb_array_elements(crm_order.items) AS item
        WHERE (buyer.id = ANY(%(customers)s) OR buyer.merged_into_id = ANY(%(customers)s))
          AND crm_order.state = ANY(%(paid)s) AND item ->> 'category' <> ''
    ) AS bought
    GROUP BY customer, category
) AS ranked
WHERE place <= %(most)s ORDER BY customer, place
"""

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Brief:
    """Who a customer is, why and from whom they came, and what is open with them.

    ``came_at`` is when they changed hands last; ``None`` for those who never have.
    """

    customer: Customer
    came_at: datetime | None
    came_from: str
    why: str
    greeting: str
    interactions: list[Interaction] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    likes: list[str] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)

    @property
    def promises(self) -> list[Task]:
        """What was promised and is still owed."""
        return [task for task in self.tasks if task.kind == TaskKind.PROMISE]

    @property
    def other_tasks(self) -> list[Task]:
        """What else there is to do."""
        return [task for task in self.tasks if task.kind != TaskKind.PROMISE]

    @property
    def attributes(self) -> dict[str, str]:
        """What else is written about the customer, as far as it fits on a line."""
        plain = (str, int, float)
        known = self.customer.attributes.items()
        return {name: str(value) for name, value in known if isinstance(value, plain)}


def default_greeting() -> str:
    """Return the words that a receiver may say first where the handover brings none."""
    return _(
        "Hello {customer}, this is {guide} of {store}. I am taking over from {former_guide}:"
        " whatever you need, just write to me."
    )


def brief_of(customer: Customer) -> Brief:
    """Gather the brief of one customer: six queries."""
    return briefs_of([customer])[0]


def briefs_of(customers: Iterable[Customer]) -> list[Brief]:
    """Gather the briefs of these customers, in their order: six queries, however many they are.

    What was said with, and ordered by, records that were merged into them is theirs. ``store`` and ``owner`` of the customers are loaded.
    """
    listed = list(customers)
    ids = [customer.pk for customer in listed]
    periods = _by_customer(_latest(_periods(ids), "-began_at", 2))
    talks = _by_customer(
        _latest(_interactions(ids), "-happened_at", INTERACTIONS_SHOWN, WHOSE), WHOSE
    )
    orders = _by_customer(_pending(ids), WHOSE)
    tasks = _by_customer(_open_tasks(ids))
    likes = _likes(ids)
    carried = _by_customer(_carried(ids))
    return [
        _brief(
            customer,
            periods.get(customer.pk, []),
            interactions=talks.get(customer.pk, []),
            orders=orders.get(customer.pk, []),
            tasks=tasks.get(customer.pk, []),
            likes=likes.get(customer.pk, []),
            tags=[row.tag for row in carried.get(customer.pk, [])],
        )
        for customer in listed
    ]


def _brief(customer: Customer, periods: list[OwnershipPeriod], **known: Any) -> Brief:
    came = periods[0] if len(periods) > 1 and not _is_back(*periods) else None
    giver = _giver(periods) if came else None
    return Brief(
        customer=customer,
        came_at=came.began_at if came else None,
        came_from=giver.name if giver else holder_of(periods[1]) if came else "",
        why=why_changed(came) if came else "",
        greeting=_greeting(customer, came, giver),
        **known,
    )


def _is_back(now: OwnershipPeriod, before: OwnershipPeriod) -> bool:
    """Whether the same person goes on, as after a merge that was taken apart: nobody is new."""
    return now.staff_id is not None and now.staff_id == before.staff_id


def _giver(periods: list[OwnershipPeriod]) -> Staff | None:
    """Who looked after the customer before: they may have rested in a pool in between."""
    now, one_before = periods
    return now.handover.from_staff if now.handover else one_before.staff


def _greeting(customer: Customer, came: OwnershipPeriod | None, giver: Staff | None) -> str:
    owner = customer.owner
    if came is None or owner is None:
        return ""
    words = (came.handover.greeting if came.handover else "") or default_greeting()
    values = {
        "customer": customer.name,
        "guide": owner.name,
        "former_guide": giver.name if giver else customer.store.name,
        "store": customer.store.name,
    }
    return fill_words(words, values)


def _latest(
    rows: "QuerySet[Row]", order: str, most: int, whose: str = "customer"
) -> "QuerySet[Row]":
    """Keep the ``most`` newest rows of each customer."""
    newest = [F(order.removeprefix("-")).desc(), F("pk").desc()]
    place = Window(RowNumber(), partition_by=[F(whose)], order_by=newest)
    return rows.annotate(place=place).filter(place__lte=most).order_by(whose, "place")  # type: ignore[return-value]  # django-stubs loses Row


def _and_merged(rows: "QuerySet[Row]", ids: Collection[int]) -> "QuerySet[Row]":
    """The rows of these customers and of records merged into them; ``WHOSE`` they are is told."""
    theirs = Customer.objects.filter(Q(pk__in=ids) | Q(merged_into__in=ids))
    whose = Coalesce("customer__merged_into", "customer")
    return rows.filter(customer__in=theirs).annotate(**{WHOSE: whose})  # type: ignore[no-any-return]  # django-stubs loses Row


def _periods(ids: Collection[int]) -> QuerySet[OwnershipPeriod]:
    return OwnershipPeriod.objects.filter(customer__in=ids).select_related(
        "staff", "store", "handover__from_staff"
    )


def _interactions(ids: Collection[int]) -> QuerySet[Interaction]:
    return _and_merged(Interaction.objects.select_related("staff"), ids)


def _pending(ids: Collection[int]) -> QuerySet[Order]:
    pending = _and_merged(Order.objects.filter(state__in=PENDING_STATES), ids)
    return pending.order_by("-ordered_at", "-pk")


def _open_tasks(ids: Collection[int]) -> QuerySet[Task]:
    tasks = Task.objects.filter(customer__in=ids, state=TaskState.OPEN).exclude(
        kind=TaskKind.FIRST_CONTACT
    )
    return tasks.select_related("staff").order_by(F("due_on").asc(nulls_last=True), "pk")


def _carried(ids: Collection[int]) -> QuerySet[CustomerTag]:
    carried = CustomerTag.objects.filter(customer__in=ids).select_related("tag")
    return carried.order_by(
        "tag__group__position", "tag__group__name", "tag__position", "tag__name"
    )


def _likes(ids: Collection[int]) -> Mapping[int, list[str]]:
    """Return the categories each customer bought most of, those of the merged included."""
    likes: dict[int, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _LIKES, {"customers": list(ids), "paid": list(PAID_STATES), "most": LIKES_SHOWN}
        )
        for customer, category in cursor.fetchall():
            likes.setdefault(customer, []).append(category)
    return likes


def _by_customer(rows: "Iterable[Row]", whose: str = "customer_id") -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(getattr(row, whose), []).append(row)
    return found
