"""Me: who I am here, and how the screens look to me."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from crm.access import viewer_of


@login_required
@require_GET
def preferences(request: HttpRequest) -> HttpResponse:
    """Show the person's own account: roles, language, light or dark, password, devices."""
    viewer = viewer_of(request)
    roles = [(role.label, scope.label) for role, scope in viewer.scopes.items()]
    return render(request, "crm/preferences.html", {"roles": roles})
