"""Early warnings: customers nobody has contacted for long, and what colleagues do unusually often."""

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from contacts.enums import Role
from crm.access import customers_of, require, staff_of, viewer_of
from crm.forms.customers import quiet_days
from crm.queries import quiet_among
from crm.unusual import unusual

MOST = 100
USUAL_DAYS = "30"


@login_required
@require_GET
def warning_list(request: HttpRequest) -> HttpResponse:
    """Show how many customers of each owner were not contacted for ``days``, and what is unusual."""
    viewer = viewer_of(request)
    require(viewer, Role.MANAGER)
    now = timezone.now()
    days = quiet_days(request.GET.get("days", "")) or quiet_days(USUAL_DAYS)
    quiet = quiet_among(customers_of(viewer, Role.MANAGER), now=now, days=days)
    rows = (
        quiet.order_by()
        .values("owner", "owner__name", "store", "store__name")
        .annotate(customers=Count("pk"), never=Count("pk", filter=Q(last_interaction_at=None)))
        .order_by("-customers", "owner", "store")
    )
    seen = set(staff_of(viewer).values_list("pk", flat=True))
    context = {
        "days": days,
        "rows": rows[:MOST],
        "unusual": [one for one in unusual(now=now) if one.staff.pk in seen],
    }
    return render(request, "crm/warning_list.html", context)
