"""What if this person leaves: the page."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from contacts.enums import Role
from crm.access import staff_member_for, viewer_as
from crm.what_if import what_if


@login_required
@require_GET
def staff_what_if(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what would be at stake if this person left today."""
    viewer = viewer_as(request, Role.MANAGER)
    person = staff_member_for(viewer, pk)
    outlook = what_if(person, now=timezone.now())
    tone = {"low": "success", "medium": "warning", "high": "danger"}[outlook.risk]
    context = {"person": person, "outlook": outlook, "tone": tone}
    return render(request, "crm/staff_what_if.html", context)
