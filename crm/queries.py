"""Reads that only screens need: the list for today, what a customer page shows, capped counts."""

from calendar import isleap
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db.models import (
    Case,
    Count,
    F,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from campaigns.enums import BatchState, CampaignState, PostState, TargetState
from campaigns.models import Batch, Campaign, Post, PostShare, Variant
from contacts.enums import HandoverState, OwnershipReason, Role, StaffState, TaskKind, TaskState
from contacts.models import (
    Company,
    Customer,
    Handover,
    OwnershipPeriod,
    PoolRule,
    Staff,
    Task,
    User,
)
from contacts.pools import rule_of, waiting_for
from contacts.queries import UNDECIDED
from crm.access import (
    Viewer,
    campaigns_of,
    handovers_of,
    pool_of,
    posts_of,
    staff_of,
    store_tasks_of,
)
from crm.post_queries import posts_to_confirm

COUNT_CAP = 1000
"""Nobody reads a figure beyond this, and counting on would cost time on every page."""

ROWS = 8
"""Rows of each section of Today."""

Row = TypeVar("Row", bound=Model)

GREET_WITHIN = timedelta(days=30)
QUIET_AFTER = timedelta(days=30)
BIRTHDAY_DAYS = 7


def capped_count(rows: QuerySet) -> int:
    """Count, but stop one past ``COUNT_CAP``."""
    return rows.order_by()[: COUNT_CAP + 1].count()


# --- the demo ---------------------------------------------------------------------------------


def demo_personas() -> dict[str, User]:
    """Return the accounts that anybody may enter with one click, by user name; usually none.

    There are some only while the process runs as a demo *and* the company in the database is
    marked as one: neither alone opens a door into real data.
    """
    if not settings.LIUKE_DEMO or not Company.objects.filter(is_demo=True).exists():
        return {}
    names = ["guide", "manager", "marketer", "admin"]
    users = User.objects.select_related("staff").filter(username__in=names, is_active=True)
    by_name = {user.username: user for user in users.exclude(staff=None)}
    return {name: by_name[name] for name in names if name in by_name}


# --- Today --------------------------------------------------------------------------------------


class Shortlist(list[Row]):
    """The first few of some rows: one query. ``figure`` says how many; ``8+`` are more than these."""

    def __init__(self, rows: QuerySet[Row]) -> None:
        found = list(rows[: ROWS + 1])
        super().__init__(found[:ROWS])
        self.figure = f"{ROWS}+" if len(found) > ROWS else str(len(found))


@dataclass(frozen=True, slots=True)
class GuideDay:
    """Whom a guide should contact today, the most urgent first, and what waits for them."""

    customers: int
    to_greet: Shortlist[OwnershipPeriod]
    quiet: Shortlist[Customer]
    quiet_count: int
    birthdays: Shortlist[Customer]
    to_confirm: Shortlist[Batch]
    to_post: Shortlist[PostShare]
    tasks: Shortlist[Task]
    pool: int

    @property
    def is_first_owed(self) -> bool:
        """Whether something is due or somebody waits for a first word: that comes before the rest."""
        return bool(self.tasks or self.to_greet)

    @property
    def briefs(self) -> int | None:
        """The handover whose briefs tell of the newest customers, if one brought them."""
        brought = (row for row in self.to_greet if row.reason == OwnershipReason.HANDOVER)
        return next((row.handover_id for row in brought), None)


def guide_day(staff: Staff, *, now: datetime) -> GuideDay:
    """Gather a guide's day: ten queries at most, however many customers there are.

    Somebody who was handed over and still waits for a first word is only listed there.
    """
    mine = Customer.objects.active().filter(owner=staff)
    waiting = _to_greet(staff, now)
    quiet = quiet_among(mine, now=now).exclude(pk__in=waiting.values("customer"))
    longest_first = quiet.order_by(Coalesce("last_interaction_at", "created_at"), "pk")
    return GuideDay(
        customers=capped_count(mine),
        to_greet=Shortlist(waiting.select_related("customer__store").order_by("-began_at", "-pk")),
        quiet=Shortlist(longest_first),
        quiet_count=capped_count(quiet),
        birthdays=_birthdays(mine, timezone.localdate(now)),
        to_confirm=Shortlist(_to_confirm(staff)),
        to_post=Shortlist(posts_to_confirm(staff)),
        tasks=_due_of(staff, timezone.localdate(now)),
        pool=_waiting_in_pool(staff, now),
    )


def _to_confirm(staff: Staff) -> QuerySet[Batch]:
    """What waits for a press in WeCom, with all that ``as_sent`` needs to say its words."""
    variant = Variant.objects.filter(campaign=OuterRef("campaign"), number=OuterRef("variant"))
    return (
        Batch.objects.filter(sender=staff, state=BatchState.HANDED, confirmed_at=None)
        .annotate(
            wording=Coalesce(Subquery(variant.values("text")[:1]), "campaign__text"),
            company=Subquery(Company.objects.values("short_name")[:1]),
        )
        .select_related("campaign__handover__from_staff", "sender__store")
        .order_by("handed_at", "pk")
    )


def _due_of(staff: Staff, today: date) -> Shortlist[Task]:
    """What is due by today; the first words to new customers stand in a list of their own."""
    due = Task.objects.filter(staff=staff, state=TaskState.OPEN, due_on__lte=today)
    due = due.exclude(kind=TaskKind.FIRST_CONTACT).select_related("customer", "handover")
    return Shortlist(due.order_by("due_on", "pk"))


def _waiting_in_pool(staff: Staff, now: datetime) -> int:
    rule = rule_of(staff.store_id) if staff.store_id else PoolRule()
    return capped_count(waiting_for(staff, rule, now=now)) if rule.claiming else 0


def _to_greet(staff: Staff, now: datetime) -> QuerySet[OwnershipPeriod]:
    silent = Q(customer__last_interaction_at=None) | Q(
        customer__last_interaction_at__lt=F("began_at")
    )
    return OwnershipPeriod.objects.filter(
        silent,
        Q(handover__isnull=False)
        | Q(reason__in=[OwnershipReason.ASSIGNED, OwnershipReason.TRANSFER]),
        staff=staff,
        ended_at=None,
        began_at__gte=now - GREET_WITHIN,
    )


def quiet_among(
    customers: QuerySet[Customer], *, now: datetime, days: int = QUIET_AFTER.days
) -> QuerySet[Customer]:
    """Those whom nobody contacted for so many days."""
    since = now - timedelta(days=days)
    return customers.filter(
        Q(last_interaction_at__lt=since) | Q(last_interaction_at=None, created_at__lt=since)
    )


def _birthdays(customers: QuerySet[Customer], today: date) -> Shortlist[Customer]:
    days = [Q(birthday__month=month, birthday__day=day) for month, day in birthday_days(today)]
    ahead = Case(*[When(day, then=Value(place)) for place, day in enumerate(days)])
    coming = customers.annotate(ahead=ahead).filter(ahead__isnull=False)
    return Shortlist(coming.order_by("ahead", "pk"))


def birthday_days(today: date) -> list[tuple[int, int]]:
    """The months and days of the coming week; 29 February counts as the 28th in other years."""
    days = [today + timedelta(days=ahead) for ahead in range(BIRTHDAY_DAYS + 1)]
    pairs: list[tuple[int, int]] = []
    for day in days:
        pairs.append((day.month, day.day))
        if (day.month, day.day) == (2, 28) and not isleap(day.year):
            pairs.append((2, 29))
    return pairs


@dataclass(frozen=True, slots=True)
class ManagerDay:
    """What waits for a manager's decision within their scope."""

    leaving: Shortlist[Staff]
    handovers: Shortlist[Handover]
    pool: int
    tasks: Shortlist[Task]


def manager_day(viewer: Viewer) -> ManagerDay:
    """Gather a manager's day: four queries."""
    owned = (
        Customer.objects.filter(owner=OuterRef("pk"))
        .order_by()
        .values("owner")
        .annotate(n=Count("pk"))
    )
    leaving = (
        staff_of(viewer)
        .filter(Q(state=StaffState.LEAVING) | Q(leaves_on__isnull=False))
        .exclude(state=StaffState.DEPARTED)
        .select_related("store")
        .annotate(owned=Coalesce(Subquery(owned.values("n")), 0))
    )
    undecided = Count("items", filter=Q(items__state__in=UNDECIDED, items__closed_at=None))
    handovers = (
        handovers_of(viewer)
        .filter(state__in=[HandoverState.PLANNED, HandoverState.RUNNING])
        .select_related("from_staff", "store")
        .annotate(undecided=undecided)
        .filter(Q(state=HandoverState.PLANNED) | Q(undecided__gt=0))
    )
    return ManagerDay(
        leaving=Shortlist(leaving.order_by(F("leaves_on").asc(nulls_last=True), "name_key", "pk")),
        handovers=Shortlist(handovers.order_by("pk")),
        pool=capped_count(pool_of(viewer)),
        tasks=Shortlist(
            store_tasks_of(viewer)
            .filter(state=TaskState.OPEN)
            .select_related("customer", "store", "handover__from_staff")
            .order_by(F("due_on").asc(nulls_last=True), "pk")
        ),
    )


UNDER_WAY = (
    CampaignState.SCHEDULED,
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
    CampaignState.PAUSED,
)

POSTS_UNDER_WAY = (PostState.SCHEDULED, PostState.SENDING, PostState.WAITING)


def campaigns_under_way(viewer: Viewer) -> Shortlist[Campaign]:
    """Return the campaigns that are on their way, the newest first, in one query.

    Each has ``cut``, the number of its batches, and ``confirmed``, how many staff confirmed.
    """
    campaigns = (
        campaigns_of(viewer)
        .filter(state__in=UNDER_WAY)
        .annotate(
            cut=Count("batches"),
            confirmed=Count("batches", filter=Q(batches__confirmed_at__isnull=False)),
        )
    )
    return Shortlist(campaigns.order_by("-pk"))


def posts_under_way(viewer: Viewer) -> Shortlist[Post]:
    """Return the posts that are on their way, the newest first, in one query.

    Each has ``total``, the number of its chats or colleagues, and ``sent``, how many are done.
    """
    posts = (
        posts_of(viewer)
        .filter(state__in=POSTS_UNDER_WAY)
        .annotate(
            total=Count("shares__targets"),
            sent=Count("shares__targets", filter=Q(shares__targets__state=TargetState.SENT)),
        )
    )
    return Shortlist(posts.order_by("-pk"))


@dataclass(frozen=True, slots=True)
class Day:
    """Today of one viewer; a part is ``None`` for people who do not do that work."""

    guide: GuideDay | None
    manager: ManagerDay | None
    campaigns: Shortlist[Campaign] | None
    posts: Shortlist[Post] | None


def day_of(viewer: Viewer, *, now: datetime) -> Day:
    """Gather what the viewer's roles call for, by a number of queries that depends on roles only."""
    leads = viewer.has(Role.MANAGER, Role.ADMINISTRATOR)
    markets = viewer.has(Role.MARKETER, Role.ADMINISTRATOR)
    return Day(
        guide=guide_day(viewer.staff, now=now) if viewer.has(Role.GUIDE) else None,
        manager=manager_day(viewer) if leads else None,
        campaigns=campaigns_under_way(viewer) if markets else None,
        posts=posts_under_way(viewer) if markets else None,
    )
