"""How a button that posts and goes back to its page tells the person what came of it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from contacts.errors import MovedOn, RuleBroken


def moved_on(request: HttpRequest, error: MovedOn, *, back: str) -> HttpResponse:
    """Say that somebody else was faster, and show the fresh page; htmx gets its 409."""
    if request.headers.get("HX-Request"):
        raise error
    messages.warning(request, str(error))
    return redirect(back)


def press(
    request: HttpRequest, action: Callable[[], object], *, done: str, back: str
) -> HttpResponse:
    """Do what a button without a form asks for, and return to the page that shows the outcome."""
    try:
        action()
    except RuleBroken as error:
        messages.error(request, str(error))
    except MovedOn as error:
        return moved_on(request, error, back=back)
    else:
        messages.success(request, done)
    return redirect(back)
