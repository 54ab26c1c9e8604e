"""Files of the human resources department: read in, looked at, carried out, reported."""

from collections.abc import Iterator
from functools import partial

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.exports import note_export
from contacts.enums import Role, RowState, StaffFileState
from contacts.errors import RuleBroken
from contacts.models import StaffFile
from crm.access import staff_file_for, staff_files_of, viewer_as
from crm.actions.staff_files import COLUMNS, read_staff_file, start_staff_file
from crm.csv_files import csv_response
from crm.forms.staff import StaffFileForm
from crm.paging import page_of, whole_number
from crm.templatetags.liuke import channel_words
from crm.views.refusals import press

ROWS = 100
FILES = 20


@login_required
def staff_files(request: HttpRequest) -> HttpResponse:
    """Take a file in and show what it would do; lists the files of before."""
    viewer = viewer_as(request, Role.MANAGER)
    form = StaffFileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            file = read_staff_file(upload.read(), upload.name, viewer=viewer, now=timezone.now())
        except RuleBroken as error:
            form.add_error(None, str(error))
        else:
            return redirect("staff_file", pk=file.pk)
    recent = staff_files_of(viewer).select_related("uploaded_by").order_by("-pk")[:FILES]
    status = 400 if request.method == "POST" else 200
    context = {"form": form, "files": recent, "columns": COLUMNS}
    return render(request, "crm/staff_files.html", context, status=status)


@login_required
@require_GET
def staff_file(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the rows of a file: what each would do or has done, and why not."""
    file = staff_file_for(viewer_as(request, Role.MANAGER), pk)
    state, after = request.GET.get("state", ""), whole_number(request.GET.get("after"))
    rows = file.rows.select_related("staff__store").order_by("number")
    if state in RowState.values:
        rows = rows.filter(state=state)
    if after:
        rows = rows.filter(number__gt=after)
    counts = dict(file.rows.order_by().values_list("state").annotate(Count("pk")))
    context = {
        "file": file,
        "page": page_of(rows, ROWS),
        "state": state,
        "after": after,
        "states": [(kind, counts[kind]) for kind in RowState if counts.get(kind)],
        "ready": counts.get(RowState.READY, 0),
        "size": sum(counts.values()),
        "is_read": file.state == StaffFileState.READ,
    }
    return render(request, "crm/staff_file.html", context)


@login_required
@require_POST
def staff_file_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Carry the file out."""
    viewer = viewer_as(request, Role.MANAGER)
    file = staff_file_for(viewer, pk)
    act = partial(start_staff_file, file, actor=viewer.staff, now=timezone.now())
    back = reverse("staff_file", args=[pk])
    return press(request, act, done=_("The file is being carried out."), back=back)


@login_required
@require_GET
def staff_file_report(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Download what came of every row, as CSV."""
    viewer = viewer_as(request, Role.MANAGER)
    file = staff_file_for(viewer, pk)
    note_export("staff_file", file.rows.count(), actor=viewer.staff, now=timezone.now())
    return csv_response(f"staff-file-{file.pk}.csv", _report(file))


def _report(file: StaffFile) -> Iterator[tuple[object, ...]]:
    yield (*COLUMNS, _("Row"), _("Person"), _("Action"), _("State"), _("Reason"))
    for row in file.rows.select_related("staff").order_by("number").iterator(chunk_size=2000):
        yield (
            *(row.cells.get(column, "") for column in COLUMNS),
            row.number,
            row.staff.name if row.staff else "",
            row.get_action_display(),
            row.get_state_display(),
            channel_words(row.reason),
        )
