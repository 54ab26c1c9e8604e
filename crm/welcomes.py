"""Welcomes as people see them: for whom they are, and what came of the last ones."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from campaigns.enums import WelcomeState
from campaigns.models import Welcome, WelcomeRule
from contacts.enums import Role
from contacts.models import ContactCode, Staff, Store
from crm.access import Viewer

LATELY = timedelta(days=7)
MOST_CHOICES = 1000


class Level(TypedDict, total=False):
    """For whom a welcome is: at most one of these, and for the company without any."""

    contact_code: ContactCode
    staff: Staff
    store: Store


@dataclass(frozen=True, slots=True)
class Lately:
    """What became of the welcome codes of the last days."""

    codes: int
    sent: int
    without_files: int


def stores_in_reach(viewer: Viewer) -> QuerySet[Store]:
    """Return the stores for which the person writes messages."""
    stores = viewer.stores_for(Role.MARKETER)
    return Store.objects.all() if stores is None else Store.objects.filter(pk__in=stores)


def codes_in_reach(viewer: Viewer) -> QuerySet[ContactCode]:
    """Return the open contact codes of the stores for which the person writes messages."""
    return ContactCode.objects.filter(store__in=stores_in_reach(viewer), closed_at=None)


def people_in_reach(viewer: Viewer) -> QuerySet[Staff]:
    """Return the colleagues at work for whom the person writes messages."""
    stores = viewer.stores_for(Role.MARKETER)
    people = Staff.objects.employed()
    return people if stores is None else people.filter(store__in=stores)


def levels_left(viewer: Viewer) -> dict[str, Level]:
    """Return for whom there is no welcome yet, each under the word by which a form names it."""
    left: dict[str, Level] = {}
    everything = viewer.stores_for(Role.MARKETER) is None
    company = WelcomeRule.objects.filter(contact_code=None, staff=None, store=None)
    if everything and not company.exists():
        left["company"] = {}
    stores = stores_in_reach(viewer).filter(closed_at=None, welcome_rule=None)
    for store in stores.order_by("name")[:MOST_CHOICES]:
        left[f"store-{store.pk}"] = {"store": store}
    codes = codes_in_reach(viewer).filter(welcome_rule=None).select_related("store")
    for code in codes.order_by("store__name", "name")[:MOST_CHOICES]:
        left[f"code-{code.pk}"] = {"contact_code": code}
    return left


def words_for(level: Level) -> str:
    """Return for whom a welcome is, in words."""
    if "contact_code" in level:
        code = level["contact_code"]
        return _("Contact code %(name)s, %(store)s") % {"name": code.name, "store": code.store.name}
    if "staff" in level:
        return _("Customers of %(name)s") % {"name": level["staff"].name}
    if "store" in level:
        return _("Store %(name)s") % {"name": level["store"].name}
    return _("The whole company")


def level_of(rule: WelcomeRule) -> Level:
    """Return for whom a rule is."""
    if rule.contact_code:
        return {"contact_code": rule.contact_code}
    if rule.staff:
        return {"staff": rule.staff}
    return {"store": rule.store} if rule.store else {}


def lately(viewer: Viewer, *, now: datetime) -> Lately:
    """Count the welcome codes of the last seven days within the person's reach: one query."""
    codes = Welcome.objects.filter(received_at__gt=now - LATELY)
    stores = viewer.stores_for(Role.MARKETER, Role.MANAGER)
    if stores is not None:
        codes = codes.filter(staff__store__in=stores)
    sent = Q(state=WelcomeState.SENT)
    counts = codes.aggregate(
        codes=Count("pk"), sent=Count("pk", filter=sent),
        without=Count("pk", filter=sent & Q(left_out__gt=0)),
    )  # fmt: skip
    return Lately(counts["codes"], counts["sent"], counts["without"])
