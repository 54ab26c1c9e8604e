"""Briefs of a handover, to read through or print: one's own customers, or all for the manager."""

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from contacts.models import HandoverItem, Staff
from crm.access import briefed_in, handovers_of, viewer_of
from crm.briefs import briefs_of
from crm.paging import page_of, whole_number

PAGE_SIZE = 20


@login_required
@require_GET
def handover_briefs(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the briefs of the customers who were accepted, of one receiver or of all."""
    viewer = viewer_of(request)
    handover, items = briefed_in(viewer, pk)
    receivers = _receivers(items)
    receiver = whole_number(request.GET.get("receiver"))
    if receiver:
        items = items.filter(to_staff=receiver)
    if after := whole_number(request.GET.get("after")):
        items = items.filter(pk__gt=after)
    rows = items.select_related("customer__owner", "customer__store").order_by("pk")
    page = page_of(rows, PAGE_SIZE)
    context = {
        "handover": handover,
        "briefs": briefs_of(item.customer for item in page.rows),
        "last": page.last,
        "receivers": receivers,
        "receiver": receiver,
        "leads": handovers_of(viewer).filter(pk=pk).exists(),
    }
    return render(request, "crm/handover_briefs.html", context)


def _receivers(items: QuerySet[HandoverItem]) -> list[Staff]:
    people = Staff.objects.filter(pk__in=items.values("to_staff"))
    return list(people.order_by("name_key", "pk"))
