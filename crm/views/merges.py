"""Merging two records of one person, and taking a merge apart."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, Merge
from crm.access import (
    Viewer,
    customer_for,
    customers_of,
    manages,
    merge_for,
    survivor_for,
    viewer_as,
)
from crm.actions.merges import merge_customers, undo_merge
from crm.merge_preview import preview
from crm.paging import search_words, whole_number
from crm.views.refusals import moved_on

FOUND = 20
"""Records among which to choose; whoever does not find theirs types more."""


@login_required
@require_http_methods(["GET", "POST"])
def customer_merge(request: HttpRequest, pk: int) -> HttpResponse:
    """Find another record of the customer, see what both will be as one, and merge them on POST.

    ``q`` looks for it, at first by the customer's own name; ``with`` is the one that was chosen.
    """
    viewer = viewer_as(request, Role.MANAGER)
    chosen = whole_number((request.POST if request.method == "POST" else request.GET).get("with"))
    for record in (pk, chosen):
        if record and (survivor := survivor_for(viewer, record)):
            return _merged_already(request, survivor)
    customer = customer_for(viewer, pk, Role.MANAGER)
    if request.method == "POST":
        return _merge(request, viewer, customer, chosen)
    other = customer_for(viewer, chosen, Role.MANAGER) if chosen and chosen != pk else None
    words = search_words(request.GET.get("q", customer.name))
    context = {
        "customer": customer,
        "other": other,
        "lines": preview(other, customer, viewer) if other else [],
        "words": words,
        "found": [] if other else _alike(viewer, customer, words),
        "most": FOUND,
    }
    return render(request, "crm/customer_merge.html", context)


def _alike(viewer: Viewer, customer: Customer, words: str) -> QuerySet[Customer]:
    """Return records that the words find, within what the person manages."""
    managed = customers_of(viewer, Role.MANAGER).exclude(pk=customer.pk)
    found = managed.filter(search_key__contains=words.lower()) if words else managed.none()
    return found.select_related("owner", "store").order_by("-pk")[:FOUND]


def _merged_already(request: HttpRequest, survivor: Customer) -> HttpResponse:
    """Say that somebody else was faster, and show the customer who stands for the record."""
    messages.warning(request, _("The record was merged into this one in the meantime."))
    return redirect("customer_page", pk=survivor.pk)


def _merge(
    request: HttpRequest, viewer: Viewer, customer: Customer, chosen: int | None
) -> HttpResponse:
    gone = customer_for(viewer, chosen or 0, Role.MANAGER)
    back = reverse("customer_page", args=[customer.pk])
    try:
        merge_customers(gone, into=customer, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        messages.error(request, str(error))
        again = reverse("customer_merge", args=[customer.pk])
        return redirect(f"{again}?with={gone.pk}")
    except MovedOn as error:
        return moved_on(request, error, back=back)
    messages.success(request, _("Both records of %(name)s are one now.") % {"name": customer})
    return redirect(f"{back}#merged")


@login_required
@require_POST
def customer_unmerge(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a merged record a customer again."""
    viewer = viewer_as(request, Role.MANAGER)
    try:
        merge = merge_for(viewer, pk)
    except Http404:
        return _nothing_to_part(request, viewer, pk)
    try:
        customer = undo_merge(merge, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        messages.error(request, str(error))
        return redirect("customer_page", pk=merge.kept_id)
    except MovedOn as error:
        return moved_on(request, error, back=reverse("customer_page", args=[merge.kept_id]))
    messages.success(request, _("%(name)s is a customer of their own again.") % {"name": customer})
    is_seen = customers_of(viewer).filter(pk=customer.pk).exists()
    return redirect("customer_page", pk=customer.pk if is_seen else merge.kept_id)


def _nothing_to_part(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    """Say what somebody else has done with the record meanwhile; a 404 if it was none of ours."""
    if survivor := survivor_for(viewer, pk):
        if manages(viewer, survivor):
            return _merged_already(request, survivor)
        raise Http404
    customer = customer_for(viewer, pk, Role.MANAGER)
    if not Merge.objects.filter(gone=customer).exists():
        raise Http404
    messages.warning(request, _("It had been taken apart already."))
    return redirect("customer_page", pk=pk)
