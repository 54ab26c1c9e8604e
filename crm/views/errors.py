"""How refusals and failures look: friendly pages, and toasts for answers to htmx."""

import sys
from collections.abc import Callable

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from contacts.errors import MovedOn, RuleBroken

Handler = Callable[[HttpRequest], HttpResponse]


class AnswerRefusals:
    """Middleware: what no view has answered itself becomes a page that says what to do.

    ``MovedOn`` is a 409, ``RuleBroken`` a 400. What a browser with a session gets is not kept
    by it, so that nothing is left on a shared phone.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer the two refusals of actions; anything else is a failure and goes on."""
        if isinstance(error, MovedOn):
            return _answer(request, 409, str(error))
        if isinstance(error, RuleBroken):
            return _answer(request, 400, str(error))
        return None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: the request made no sense."""
    return _answer(request, 400, _("That request made no sense to us."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: a role that is missing, or an account that belongs to nobody at work."""
    return _answer(request, 403, str(exception) or _("Your role does not allow this."))


def forbidden_csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form is from an older visit."""
    return _answer(
        request, 403, _("This form is from an older visit. Load the page again and retry.")
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: nothing there, or nothing that this person may see: the two look the same."""
    return _answer(request, 404, _("There is nothing here, or it is not yours to see."))


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our mistake, or 503 while the database is away; needs neither database nor session.

    Whoever calls back, a channel or a mail program, tries a 503 again.
    """
    if isinstance(sys.exception(), OperationalError):
        page = render_to_string("500.html", {"is_busy": True})
        return HttpResponse(page, status=503, headers={"Retry-After": "5"})
    return HttpResponse(render_to_string("500.html"), status=500)


def _answer(request: HttpRequest, status: int, message: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        response = render(request, "crm/parts/_refusal.html", {"message": message}, status=status)
        response["HX-Retarget"] = "#toasts"
        response["HX-Reswap"] = "beforeend"
        return response
    context = {"message": message, "back": _came_from(request)}
    return render(request, f"{status}.html", context, status=status)


def _came_from(request: HttpRequest) -> str:
    """The page with the button, if it was one of ours."""
    page = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(
        page, {request.get_host()}, require_https=request.is_secure()
    )
    return page if ours else reverse("today")
