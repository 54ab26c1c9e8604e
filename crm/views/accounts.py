"""Ways in besides the password: in a demo, as one of its people with one click."""

from allauth.account.utils import perform_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import reverse

from crm.queries import demo_personas


def demo_enter(request: HttpRequest, persona: str) -> HttpResponse:
    """Sign in as a person of the demo; outside a demo this address does not exist."""
    user = demo_personas().get(persona)
    if user is None:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    answer: HttpResponse = perform_login(
        request, user, email_verification="none", redirect_url=reverse("today")
    )
    return answer
