"""Colleagues: who is at work, what they hold, and what happens when one of them leaves."""

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.capacity import set_capacity, set_capacity_in
from contacts.actions.chats import chats_to_hand_over
from contacts.actions.handovers import customers_to_hand_over, plan_handover
from contacts.actions.staff import (
    announce_leaving,
    call_off_leaving,
    rehire_staff,
    resume_staff,
    suspend_staff,
)
from contacts.enums import HandoverKind, Role, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Staff
from crm.access import (
    Viewer,
    handovers_of,
    refusal_to_depart,
    staff_member_for,
    staff_of,
    stores_of,
    viewer_as,
)
from crm.actions.departures import let_go
from crm.forms.pool import CapacityForm
from crm.forms.staff import LeavingForm
from crm.handover_queries import with_bars
from crm.paging import Page, page_of, search_words, whole_number
from crm.staff_queries import departure_outlook, leaving_of, with_customers
from crm.views.refusals import moved_on, press

PAGE_SIZE = 50
AT_WORK = (StaffState.ACTIVE, StaffState.LEAVING, StaffState.SUSPENDED)


@login_required
@require_GET
def staff_list(request: HttpRequest) -> HttpResponse:
    """List the colleagues of the viewer's stores in name order; the departed have their own page."""
    viewer = viewer_as(request, Role.MANAGER)
    departed = request.GET.get("show") == "departed"
    store = whole_number(request.GET.get("store"))
    words = search_words(request.GET.get("q"))
    found = staff_of(viewer).filter(state__in=[StaffState.DEPARTED] if departed else AT_WORK)
    if store:
        found = found.filter(store=store)
    if words:
        found = found.filter(Q(name__icontains=words) | Q(name_key__icontains=words))
    context = {
        "page": _page(found, viewer, whole_number(request.GET.get("after"))),
        "departed": departed,
        "stores": stores_of(viewer, Role.MANAGER).order_by("name", "pk"),
        "store": store,
        "words": words,
    }
    return render(request, "crm/staff_list.html", context)


def _page(found: QuerySet[Staff], viewer: Viewer, after: int | None) -> Page[Staff]:
    anchor = staff_of(viewer).filter(pk=after).first() if after else None
    if anchor:
        same_name = Q(name_key=anchor.name_key, pk__gt=anchor.pk)
        found = found.filter(Q(name_key__gt=anchor.name_key) | same_name)
    rows = with_customers(found).select_related("store").prefetch_related("roles")
    return page_of(rows.order_by("name_key", "pk"), PAGE_SIZE)


@login_required
@require_GET
def staff_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one colleague: who they are, whom they answer for, and their handovers."""
    viewer = viewer_as(request, Role.MANAGER)
    return _staff_page(request, viewer, staff_member_for(viewer, pk), CapacityForm())


def _staff_page(
    request: HttpRequest, viewer: Viewer, person: Staff, form: CapacityForm, status: int = 200
) -> HttpResponse:
    handovers = handovers_of(viewer).filter(from_staff=person).select_related("store", "from_staff")
    outlook = departure_outlook(person)
    context = {
        "person": person,
        "roles": person.roles.prefetch_related("stores"),
        "outlook": outlook,
        "room": max(0, person.capacity - outlook.customers),
        "handovers": with_bars(handovers.order_by("-pk")[:10]),
        "may_depart": not refusal_to_depart(viewer, person),
        "left_behind": 0 if person.is_employed else customers_to_hand_over(person).count(),
        "chats_left": 0 if person.is_employed else chats_to_hand_over(person).count(),
        "kinds": [HandoverKind.LEAVE, HandoverKind.REBALANCE],
        "capacity": form,
    }
    return render(request, "crm/staff_page.html", context, status=status)


@login_required
def staff_depart(request: HttpRequest, pk: int) -> HttpResponse:
    """Say with counts what a departure does; on POST let the person go."""
    viewer = viewer_as(request, Role.MANAGER)
    person = staff_member_for(viewer, pk)
    back = reverse("staff_page", args=[pk])
    if refusal := refusal_to_depart(viewer, person):
        messages.error(request, refusal)
        return redirect(back)
    if request.method == "POST":
        return _let_go(request, viewer, person)
    return _departure_page(request, person, LeavingForm(initial={"leaves_on": person.leaves_on}))


def _departure_page(
    request: HttpRequest, person: Staff, form: LeavingForm, status: int = 200
) -> HttpResponse:
    context = {"person": person, "outlook": departure_outlook(person), "form": form}
    return render(request, "crm/staff_depart.html", context, status=status)


@login_required
@require_POST
def staff_leaving(request: HttpRequest, pk: int) -> HttpResponse:
    """Set somebody's last day, or another one; on the day after they depart by themselves."""
    viewer, person = _managed(request, pk)
    if refusal := refusal_to_depart(viewer, person):
        messages.error(request, refusal)
        return redirect("staff_page", pk=pk)
    form = LeavingForm(request.POST)
    if not form.is_valid():
        return _departure_page(request, person, form, status=400)
    day = form.cleaned_data["leaves_on"]
    act = partial(announce_leaving, person, leaves_on=day, actor=viewer.staff, now=timezone.now())
    said = _("The last day of %(name)s is %(day)s. On the day after they depart by themselves.")
    words = {"name": person.name, "day": date_format(day, "SHORT_DATE_FORMAT")}
    return press(request, act, done=said % words, back=reverse("staff_page", args=[pk]))


@login_required
@require_POST
def staff_stay(request: HttpRequest, pk: int) -> HttpResponse:
    """Call somebody's leaving off."""
    return _press(request, pk, call_off_leaving, _("%(name)s stays."))


@login_required
@require_POST
def staff_suspend(request: HttpRequest, pk: int) -> HttpResponse:
    """Send somebody on a long leave."""
    viewer, person = _managed(request, pk)
    if refusal := refusal_to_depart(viewer, person):
        messages.error(request, refusal)
        return redirect("staff_page", pk=pk)
    return _press(request, pk, suspend_staff, _("%(name)s is on leave and cannot come in."))


@login_required
@require_POST
def staff_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Let somebody work again after a long leave."""
    return _press(request, pk, resume_staff, _("%(name)s is back at work."))


@login_required
@require_POST
def staff_rehire(request: HttpRequest, pk: int) -> HttpResponse:
    """Take somebody who had departed back."""
    return _press(request, pk, rehire_staff, _("%(name)s works here again."))


def _managed(request: HttpRequest, pk: int) -> tuple[Viewer, Staff]:
    viewer = viewer_as(request, Role.MANAGER)
    return viewer, staff_member_for(viewer, pk)


def _press(request: HttpRequest, pk: int, action: Callable[..., None], done: str) -> HttpResponse:
    viewer, person = _managed(request, pk)
    act = partial(action, person, actor=viewer.staff, now=timezone.now())
    back = reverse("staff_page", args=[pk])
    return press(request, act, done=done % {"name": person.name}, back=back)


@login_required
@require_GET
def people_leaving(request: HttpRequest) -> HttpResponse:
    """Show who is leaving and when, who is on leave, and whose customers still wait."""
    viewer = viewer_as(request, Role.MANAGER)
    return render(request, "crm/people_leaving.html", {"people": leaving_of(viewer)})


def _let_go(request: HttpRequest, viewer: Viewer, person: Staff) -> HttpResponse:
    back = reverse("staff_page", args=[person.pk])
    try:
        handover = let_go(person.pk, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        messages.error(request, str(error))
        return redirect(back)
    except MovedOn as error:
        return moved_on(request, error, back=back)
    if handover is None:
        messages.success(
            request, _("%(name)s has departed and owned no customers.") % {"name": person}
        )
        return redirect(back)
    said = ngettext(
        "%(name)s has departed. %(n)s customer is safe in the pool; now choose who takes over.",
        "%(name)s has departed. %(n)s customers are safe in the pool; now choose who takes over.",
        handover.size,
    )
    messages.success(request, said % {"name": person.name, "n": handover.size})
    return redirect("handover_page", pk=handover.pk)


@login_required
@require_POST
def staff_hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Plan a leave, a re-balance or, of somebody who has departed, those still in the pool."""
    viewer = viewer_as(request, Role.MANAGER)
    person = staff_member_for(viewer, pk)
    plan = partial(plan_handover, person, actor=viewer.staff, now=timezone.now())
    on_leave = request.POST.get("kind") == HandoverKind.LEAVE
    kind = HandoverKind.LEAVE if on_leave else HandoverKind.REBALANCE
    try:
        handover = plan(kind=kind, with_chats="with_chats" in request.POST)
    except RuleBroken as error:
        messages.error(request, str(error))
        return redirect("staff_page", pk=pk)
    return redirect("handover_page", pk=handover.pk)


@login_required
@require_POST
def staff_capacity(request: HttpRequest, pk: int) -> HttpResponse:
    """Say for how many customers a colleague can answer."""
    viewer = viewer_as(request, Role.MANAGER)
    person = staff_member_for(viewer, pk)
    form = CapacityForm(request.POST)
    if not form.is_valid():
        return _staff_page(request, viewer, person, form, status=400)
    if form.cleaned_data["was"] is not None:
        person.capacity = form.cleaned_data["was"]
    capacity = form.cleaned_data["capacity"]
    return press(
        request,
        lambda: set_capacity(person, capacity, actor=viewer.staff, now=timezone.now()),
        done=_("%(name)s can answer for %(n)s customers.") % {"name": person, "n": capacity},
        back=reverse("staff_page", args=[pk]),
    )


@login_required
@require_POST
def store_capacity(request: HttpRequest) -> HttpResponse:
    """Say for how many customers everybody in a store can answer."""
    viewer = viewer_as(request, Role.MANAGER)
    pk = whole_number(request.POST.get("store"))
    store = get_object_or_404(stores_of(viewer, Role.MANAGER), pk=pk)
    back = f"{reverse('staff_list')}?store={store.pk}"
    form = CapacityForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["capacity"])))
        return redirect(back)
    capacity = form.cleaned_data["capacity"]
    number = set_capacity_in(store, capacity, actor=viewer.staff, now=timezone.now())
    said = ngettext(
        "%(n)s colleague of %(store)s has a new capacity.",
        "%(n)s colleagues of %(store)s have a new capacity.",
        number,
    )
    messages.success(request, said % {"n": number, "store": store})
    return redirect(back)
