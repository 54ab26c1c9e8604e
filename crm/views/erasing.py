"""Erasing a customer at their request: the page that says what goes, and what is left after it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from contacts.enums import CustomerState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer
from crm.access import Viewer, may_erase, record_to_erase, survivor_to_erase, viewer_of
from crm.actions.erasing import erase_customer
from crm.erasures import erasure_outlook, tombstone_of
from crm.forms.erasing import EraseForm
from crm.views.refusals import moved_on


@login_required
@require_http_methods(["GET", "POST"])
def customer_erase(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what goes and what stays, and erase once the name has been typed."""
    viewer = viewer_of(request)
    customer = record_to_erase(viewer, pk)
    if customer.state == CustomerState.ERASED:
        return redirect("customer_page", pk=pk)
    if customer.merged_into:
        survivor = survivor_to_erase(viewer, customer.merged_into)
        messages.warning(request, _("This record was merged into another: erase that one."))
        return redirect("customer_erase", pk=survivor.pk)
    if request.method == "GET":
        return _page(request, customer, EraseForm(customer))
    form = EraseForm(customer, request.POST)
    try:
        if not form.is_valid() or not _erase(form, customer, viewer):
            return _page(request, customer, form, status=422)
    except MovedOn as error:
        return moved_on(request, error, back=reverse("customer_page", args=[pk]))
    messages.success(request, _("The customer has been erased. Nothing here says who it was."))
    return redirect("customer_page", pk=pk)


def _erase(form: EraseForm, customer: Customer, viewer: Viewer) -> bool:
    try:
        erase_customer(customer, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        form.add_error(None, str(error))
        return False
    return True


def _page(
    request: HttpRequest, customer: Customer, form: EraseForm, *, status: int = 200
) -> HttpResponse:
    context = {"customer": customer, "outlook": erasure_outlook(customer), "form": form}
    return render(request, "crm/customer_erase.html", context, status=status)


def tombstone(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    """Show when a customer was erased and by whom, to those who may erase; a 404 to all others."""
    if not may_erase(viewer):
        raise Http404
    customer = record_to_erase(viewer, pk)
    if customer.state != CustomerState.ERASED:
        raise Http404
    context = {"customer": customer, "entry": tombstone_of(customer)}
    return render(request, "crm/customer_erased.html", context)
