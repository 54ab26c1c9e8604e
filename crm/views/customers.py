"""Customers: the list, the page of one, and what is done there."""

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from campaigns.models import Segment
from contacts.actions.coupons import CouponTold, give_coupons, redeem_coupon
from contacts.actions.customers import tag_customer, untag_customer
from contacts.actions.giving import transfer_customer
from contacts.actions.interactions import log_interaction
from contacts.actions.tasks import add_task
from contacts.enums import InteractionKind, Role, StaffState, TaskKind
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, CustomerTag, Tag
from crm.access import (
    Viewer,
    colleagues_of,
    coupon_for,
    customer_for,
    customers_of,
    manages,
    may_erase,
    members_of,
    require,
    segment_for,
    stores_of,
    survivor_for,
    viewer_as,
    viewer_of,
)
from crm.consent_queries import consent_sheet
from crm.customer_queries import customer_file, story_of
from crm.forms.coupons import CouponForm
from crm.forms.customers import CustomerFilter
from crm.forms.giving import GiveCustomerForm
from crm.forms.interactions import InteractionForm
from crm.forms.tags import TagForm
from crm.forms.tasks import CustomerTaskForm
from crm.merge_preview import merges_into
from crm.paging import page_of, whole_number
from crm.queries import capped_count
from crm.views.erasing import tombstone
from crm.views.refusals import moved_on, press

PAGE_SIZE = 50
OWNERS_OFFERED = 300
CARRIED = Prefetch("carried_tags", CustomerTag.objects.select_related("tag"))
TAG_ORDER = ("group__position", "group__name", "position", "name")


@login_required
@require_GET
def customer_list(request: HttpRequest) -> HttpResponse:
    """List the customers whom the viewer sees, newest first; htmx gets the rows only."""
    viewer = viewer_of(request)
    chosen = CustomerFilter.read(request.GET)
    segment = chosen_segment(viewer, chosen)
    visible = members_of(viewer, segment) if segment else customers_of(viewer)
    found = chosen.apply(visible, now=timezone.now())
    after = whole_number(request.GET.get("after"))
    rows = found.select_related("owner", "store").prefetch_related(CARRIED)
    if after:
        rows = rows.filter(pk__lt=after)
    page = page_of(rows.order_by("-pk"), PAGE_SIZE)
    context = {
        "page": page,
        "after": after,
        "older": chosen.address(after=page.last.pk) if page.last else "",
        "chosen": chosen,
        "segment": segment,
        "sees_others": viewer.stores_for() != frozenset(),
    }
    part = request.headers.get("HX-Target", "")
    if part == "more":
        return render(request, "crm/parts/_customer_rows.html", context)
    context["count"] = capped_count(found)
    if part == "results":
        return render(request, "crm/parts/_customer_results.html", context)
    return render(request, "crm/customer_list.html", context | _filter_choices(viewer))


def chosen_segment(viewer: Viewer, chosen: CustomerFilter) -> Segment | None:
    """Return the segment of the filter, for marketers; one that is not at hand is a 404."""
    if chosen.segment is None:
        return None
    require(viewer, Role.MARKETER)
    return segment_for(viewer, chosen.segment)


def _filter_choices(viewer: Viewer) -> dict[str, Any]:
    owners = colleagues_of(viewer).exclude(state=StaffState.DEPARTED).order_by("name_key", "pk")
    stores = stores_of(viewer).order_by("name", "pk")
    return {
        "stores": stores,
        "owners": owners[:OWNERS_OFFERED],
        "tags": Tag.objects.select_related("group").order_by(*TAG_ORDER),
    }


@login_required
@require_GET
def customer_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show everything about one customer; ``before`` shows an earlier part of the timeline.

    With ``give`` there is the form by which a manager gives the customer to a colleague. The
    address of a record that was merged leads to the customer it was merged into; of somebody who
    was erased those who may erase see who did it.
    """
    viewer = viewer_of(request)
    try:
        customer = customer_for(viewer, pk)
    except Http404:
        if survivor := survivor_for(viewer, pk):
            return redirect("customer_page", pk=survivor.pk)
        return tombstone(request, viewer, pk)
    before = _moment(request)
    giving = "give" in request.GET and manages(viewer, customer)
    form = GiveCustomerForm(viewer, customer) if giving else None
    return _page(request, viewer, customer, InteractionForm(), before=before, give_form=form)


@login_required
@require_GET
def customer_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """The earlier part of the timeline, for htmx."""
    customer = customer_for(viewer_of(request), pk)
    context = {"customer": customer, "story": story_of(customer, before=_moment(request))}
    return render(request, "crm/parts/_timeline.html", context)


@login_required
@require_POST
def customer_interactions(request: HttpRequest, pk: int) -> HttpResponse:
    """Log one interaction; on a mistake nothing that was typed is lost."""
    viewer = viewer_of(request)
    customer = customer_for(viewer, pk)
    form = InteractionForm(request.POST)
    if form.is_valid() and _log(form, customer, viewer):
        messages.success(request, _("Saved on the timeline of %(name)s.") % {"name": customer})
        if not request.headers.get("HX-Request"):
            return redirect("customer_page", pk=pk)
        return _story(request, customer, InteractionForm())
    if not request.headers.get("HX-Request"):
        return _page(request, viewer, customer, form, status=422)
    return _story(request, customer, form, status=422)


def _log(form: InteractionForm, customer: Customer, viewer: Viewer) -> bool:
    kind, text = InteractionKind(form.cleaned_data["kind"]), form.cleaned_data["text"]
    try:
        log_interaction(customer, kind=kind, text=text, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        form.add_error(None, str(error))
        return False
    return True


@login_required
@require_POST
def customer_tags(request: HttpRequest, pk: int) -> HttpResponse:
    """Add the tag that was pressed, or take it away."""
    viewer = viewer_of(request)
    customer = customer_for(viewer, pk)
    form = TagForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("That tag is not there any more."))
    elif tag := form.cleaned_data["add"]:
        tag_customer(customer, [tag], actor=viewer.staff, now=timezone.now())
    elif tag := form.cleaned_data["remove"]:
        untag_customer(customer, tag, actor=viewer.staff, now=timezone.now())
    if not request.headers.get("HX-Request"):
        return redirect(reverse("customer_page", args=[pk]) + "#tags")
    context = {"customer": customer, "file": customer_file(customer, viewer, now=timezone.now())}
    return render(request, "crm/parts/_tags_answer.html", context)


@login_required
@require_POST
def customer_tasks(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a task or a promise about the customer, for whoever adds it."""
    viewer = viewer_as(request, Role.GUIDE, Role.MANAGER)
    customer = customer_for(viewer, pk, Role.GUIDE, Role.MANAGER)
    form = CustomerTaskForm(request.POST)
    if not form.is_valid() or not _add_task(form, customer, viewer):
        return _page(request, viewer, customer, InteractionForm(), task_form=form, status=422)
    messages.success(request, _("The task is on your list."))
    return redirect(reverse("customer_page", args=[pk]) + "#tasks")


def _add_task(form: CustomerTaskForm, customer: Customer, viewer: Viewer) -> bool:
    values = form.cleaned_data | {"kind": TaskKind(form.cleaned_data["kind"])}
    try:
        add_task(
            **values,
            customer=customer,
            store=customer.store,
            staff=viewer.staff,
            actor=viewer.staff,
            now=timezone.now(),
        )
    except RuleBroken as error:
        form.add_error(None, str(error))
        return False
    return True


@login_required
@require_POST
def customer_coupons(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the customer a coupon, by hand."""
    viewer = viewer_of(request)
    customer = customer_for(viewer, pk)
    form = CouponForm(request.POST)
    if not form.is_valid() or not _give_coupon(form, customer, viewer):
        return _page(request, viewer, customer, InteractionForm(), coupon_form=form, status=422)
    messages.success(request, _("%(name)s has a coupon.") % {"name": customer})
    return redirect(reverse("customer_page", args=[pk]) + "#coupons")


def _give_coupon(form: CouponForm, customer: Customer, viewer: Viewer) -> bool:
    told = CouponTold(customer=customer, **form.promised())
    try:
        give_coupons([told], actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        form.add_error(None, str(error))
        return False
    return True


@login_required
@require_POST
def coupon_redeem(request: HttpRequest, pk: int) -> HttpResponse:
    """Redeem a coupon that the customer shows."""
    viewer = viewer_of(request)
    coupon = coupon_for(viewer, pk)
    owner = coupon.customer.merged_into_id or coupon.customer_id
    redeem = partial(redeem_coupon, coupon, actor=viewer.staff, now=timezone.now())
    done = _("Coupon %(code)s is redeemed.") % {"code": coupon.code}
    back = reverse("customer_page", args=[owner]) + "#coupons"
    return press(request, redeem, done=done, back=back)


@login_required
@require_POST
def customer_transfer(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the customer to a colleague; a refusal is shown beside who was chosen."""
    viewer = viewer_as(request, Role.MANAGER)
    customer = customer_for(viewer, pk, Role.MANAGER)
    form = GiveCustomerForm(viewer, customer, request.POST)
    back = reverse("customer_page", args=[pk])
    try:
        if not form.is_valid() or not _give(form, customer, viewer):
            page = InteractionForm()
            return _page(request, viewer, customer, page, give_form=form, status=422)
    except MovedOn as error:
        return moved_on(request, error, back=back)
    values = {"name": customer, "to": form.cleaned_data["to"].name}
    messages.success(request, _("%(to)s answers for %(name)s now.") % values)
    still_seen = customers_of(viewer).filter(pk=pk).exists()
    return redirect(f"{back}#owners" if still_seen else reverse("customer_list"))


def _give(form: GiveCustomerForm, customer: Customer, viewer: Viewer) -> bool:
    if form.cleaned_data["owner"] != customer.owner_id:
        raise MovedOn(_("%(name)s has changed hands in the meantime.") % {"name": customer})
    try:
        receiver = form.cleaned_data["to"]
        transfer_customer(customer, receiver, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        form.add_error("to", str(error))
        return False
    return True


def _page(
    request: HttpRequest,
    viewer: Viewer,
    customer: Customer,
    form: InteractionForm,
    *,
    before: datetime | None = None,
    status: int = 200,
    task_form: CustomerTaskForm | None = None,
    give_form: GiveCustomerForm | None = None,
    coupon_form: CouponForm | None = None,
) -> HttpResponse:
    context = {
        "customer": customer,
        "task_form": task_form or CustomerTaskForm(),
        "file": customer_file(customer, viewer, now=timezone.now()),
        "consent": consent_sheet(customer),
        "form": form,
        "before": before,
        "story": story_of(customer, before=before),
        "may_manage": manages(viewer, customer),
        "merges": merges_into(customer),
        "may_erase": may_erase(viewer),
        "give_form": give_form,
        "coupon_form": coupon_form or CouponForm(),
    }
    return render(request, "crm/customer_page.html", context, status=status)


def _story(
    request: HttpRequest, customer: Customer, form: InteractionForm, *, status: int = 200
) -> HttpResponse:
    context = {"customer": customer, "form": form, "story": story_of(customer)}
    return render(request, "crm/parts/_story_answer.html", context, status=status)


def _moment(request: HttpRequest) -> datetime | None:
    """Read ``before`` from the address; anything that is no moment counts as not given."""
    try:
        at = parse_datetime(request.GET.get("before", ""))
    except ValueError:
        return None
    return at if at and timezone.is_aware(at) else None
