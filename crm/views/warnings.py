"""Early warnings: customers nobody has contacted for long, and what colleagues do unusually often."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from contacts.enums import Role
from crm.access import viewer_as
from crm.forms.customers import quiet_days
from crm.forms.losses import LossFilter
from crm.unusual import WINDOW
from crm.warning_queries import USUAL_DAYS, quiet_by_owner, unusual_among_staff

MOST = 100


@login_required
@require_GET
def warning_list(request: HttpRequest) -> HttpResponse:
    """Show how many customers of each owner were not contacted for ``days``, and what is unusual."""
    viewer = viewer_as(request, Role.MANAGER)
    now = timezone.now()
    days = quiet_days(request.GET.get("days", "")) or USUAL_DAYS
    context = {
        "days": days,
        "rows": quiet_by_owner(viewer, days=days, now=now)[:MOST],
        "week": LossFilter.of_days(WINDOW.days + 1, now=now),
        "unusual": unusual_among_staff(viewer, now=now),
    }
    return render(request, "crm/warning_list.html", context)
