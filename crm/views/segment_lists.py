"""Static lists: made of ids and phone numbers, added to, and cut down."""

from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from campaigns.actions.segments import change_members, create_list
from campaigns.models import Segment
from contacts.enums import Role
from contacts.errors import RuleBroken
from crm.access import Viewer, customer_for, segment_for, viewer_as
from crm.actions.segment_lists import Reading, find_customers, rows_of_file, rows_pasted
from crm.forms.segments import MembersForm, NewListForm
from crm.segment_counts import count_now
from crm.views.refusals import press

REPORTED = 500
"""So many rows that were left out are listed; of all it is said how many."""


@login_required
@require_http_methods(["GET", "POST"])
def segment_list_new(request: HttpRequest) -> HttpResponse:
    """Make a static list; rows that name nobody are reported, the others kept."""
    viewer = viewer_as(request, Role.MARKETER)
    posted = request.method == "POST"
    form = NewListForm(request.POST, request.FILES) if posted else NewListForm()
    reading = _reading(form, viewer) if posted and form.is_valid() else None
    if reading is None:
        return _form(request, form, None)
    if not reading.customers:
        form.add_error(None, _("No row names a customer whom you see, so no list was made."))
        return _form(request, form, None, reading)
    try:
        segment = create_list(
            name=form.cleaned_data["name"],
            customers=reading.customers,
            shared=form.cleaned_data["shared"],
            actor=viewer.staff,
            now=timezone.now(),
        )
    except RuleBroken as error:
        form.add_error("name", str(error))
        return _form(request, form, None)
    return _report(request, viewer, segment, reading, len(reading.customers))


@login_required
@require_http_methods(["GET", "POST"])
def segment_members(request: HttpRequest, pk: int) -> HttpResponse:
    """Put customers on a static list; rows that name nobody are reported, the others kept."""
    viewer = viewer_as(request, Role.MARKETER)
    segment = _list_for(viewer, pk)
    posted = request.method == "POST"
    form = MembersForm(request.POST, request.FILES) if posted else MembersForm()
    reading = _reading(form, viewer) if posted and form.is_valid() else None
    if reading is None:
        return _form(request, form, segment)
    now = timezone.now()
    added, _removed = change_members(segment, add=reading.customers, actor=viewer.staff, now=now)
    return _report(request, viewer, segment, reading, added)


@login_required
@require_POST
def segment_member_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one customer whom the person sees off a static list."""
    viewer = viewer_as(request, Role.MARKETER)
    segment = _list_for(viewer, pk)
    number = request.POST.get("customer", "")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise Http404
    customer = customer_for(viewer, int(number), Role.MARKETER)
    now = timezone.now()
    act = partial(change_members, segment, remove=[customer.pk], actor=viewer.staff, now=now)
    done = _("%(name)s is off the list.") % {"name": customer}
    return press(request, act, done=done, back=reverse("segment_page", args=[pk]))


def _list_for(viewer: Viewer, pk: int) -> Segment:
    segment = segment_for(viewer, pk)
    if not segment.is_static:
        raise Http404
    return segment


def _reading(form: MembersForm, viewer: Viewer) -> Reading | None:
    """Find whom the form names; ``None``, and an error on the form, if that is nobody at all."""
    try:
        rows = rows_pasted(form.cleaned_data["pasted"])
    except RuleBroken as error:
        form.add_error("pasted", str(error))
        return None
    if upload := form.cleaned_data["file"]:
        try:
            rows += rows_of_file(upload.read(), upload.name)
        except RuleBroken as error:
            form.add_error("file", str(error))
            return None
    return find_customers(rows, viewer)


def _form(
    request: HttpRequest,
    form: MembersForm,
    segment: Segment | None,
    reading: Reading | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "segment": segment} | _left_out(reading)
    status = 400 if request.method == "POST" else 200
    return render(request, "crm/segment_members.html", context, status=status)


def _report(
    request: HttpRequest, viewer: Viewer, segment: Segment, reading: Reading, added: int
) -> HttpResponse:
    count_now(viewer, segment, now=timezone.now())
    context: dict[str, Any] = {
        "segment": segment,
        "added": added,
        "already": len(reading.customers) - added,
        **_left_out(reading),
    }
    return render(request, "crm/segment_members_report.html", context)


def _left_out(reading: Reading | None) -> dict[str, Any]:
    rows = reading.left_out if reading else []
    return {
        "left_out": rows[:REPORTED],
        "unsaid": max(len(rows) - REPORTED, 0),
        "number_left_out": len(rows),
    }
