"""What a manager is warned of: customers nobody contacts, and what colleagues do unusually often."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from contacts.enums import Role
from contacts.models import Customer
from crm.access import Viewer, customers_of, staff_of
from crm.queries import quiet_among
from crm.unusual import Unusual, unusual

USUAL_DAYS = 30


def quiet_by_owner(
    viewer: Viewer, *, days: int, now: datetime
) -> QuerySet[Customer, Mapping[str, Any]]:
    """Count those whom nobody has contacted for ``days``, by owner and store, the most first."""
    quiet = quiet_among(customers_of(viewer, Role.MANAGER), now=now, days=days)
    return (
        quiet.order_by()
        .values("owner", "owner__name", "store", "store__name")
        .annotate(customers=Count("pk"), never=Count("pk", filter=Q(last_interaction_at=None)))
        .order_by("-customers", "owner", "store")
    )


def unusual_among_staff(viewer: Viewer, *, now: datetime) -> list[Unusual]:
    """Return what colleagues whom the viewer sees do unusually often."""
    seen = set(staff_of(viewer).values_list("pk", flat=True))
    return [one for one in unusual(now=now) if one.staff.pk in seen]
