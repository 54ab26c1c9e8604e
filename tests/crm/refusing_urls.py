"""The product's addresses, and a few that refuse or fail in every way a view can."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as real
from contacts.errors import MovedOn, RuleBroken

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

ERRORS = {
    "moved-on": MovedOn("Someone else has just changed this campaign."),
    "rule-broken": RuleBroken("Choose a colleague first."),
    "forbidden": PermissionDenied("Your role does not allow this."),
    "suspicious": SuspiciousOperation("not for people to read"),
    "broken": ZeroDivisionError("not for people to read"),
    "away": OperationalError("not for people to read"),
}


def refuse(request: HttpRequest, how: str) -> HttpResponse:
    raise ERRORS[how]


urlpatterns = [*real, path("refuse/<slug:how>/", refuse)]
