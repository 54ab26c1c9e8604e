"""What customers reach from their letters, without a login: links, the way out, the image.

A token in the address is all that counts: no cookie is read or set, nothing is kept by browsers.
Looking changes no consent, since scanners of mail look at everything; only a POST does.
"""

import logging
from functools import lru_cache

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from campaigns.models import TrackedLink
from campaigns.tracking.clicks import note_click, note_opening
from campaigns.tracking.leaving import BY_LINK, Recipient, come_back, leave, recipient_of
from campaigns.tracking.machines import is_machine
from campaigns.tracking.tokens import BadToken, Token, TokenUse, read_token
from contacts.enums import Purpose
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Company
from crm.public_rates import is_too_often

logger = logging.getLogger(__name__)

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
_WAYS = ("kind", "everything")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


@require_safe
def follow_link(request: HttpRequest, token: str) -> HttpResponse:
    """Lead to the address that stood in the letter, and write down that it was followed.

    Nobody is led anywhere else, and everybody gets there, whether it can be written down or not.
    """
    told = _read(request, token, TokenUse.LINK)
    if isinstance(told, HttpResponse):
        return told
    url = _address(told.campaign_id, told.link)
    if url is None:
        return _nothing_here(request)
    try:
        note_click(told, by_machine=_by_machine(request), now=timezone.now())
    except DatabaseError:
        logger.exception("a click was not written down")
    return HttpResponse(status=302, headers=_HEADERS | {"Location": url})


@require_safe
def opening(request: HttpRequest, token: str) -> HttpResponse:
    """Give the image of a letter that was opened."""
    told = _read(request, token, TokenUse.OPENING)
    if isinstance(told, HttpResponse):
        return told
    try:
        note_opening(told, by_machine=_by_machine(request), now=timezone.now())
    except DatabaseError:
        logger.exception("an opening was not written down")
    return HttpResponse(GIF, content_type="image/gif", headers=_HEADERS)


@csrf_exempt  # the token proves the caller; mail programmes post here by themselves (RFC 8058)
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask before, and do it on one press; a mail programme's own button needs no page."""
    told = _read(request, token, TokenUse.UNSUBSCRIBE)
    if isinstance(told, HttpResponse):
        return told
    try:
        recipient = recipient_of(told)
    except BadToken:
        return _nothing_here(request)
    if request.method != "POST":
        return _page(request, recipient, "ask")
    pressed = request.POST.get("do", "")
    if pressed == "back":
        return _take_back(request, recipient)
    if pressed not in _WAYS and request.POST.get("List-Unsubscribe") != "One-Click":
        return _page(request, recipient, "ask", status=400)
    everything = pressed == "everything" or recipient.purpose is Purpose.SERVICE
    leave(
        recipient,
        everything=everything,
        source=BY_LINK,
        evidence=recipient.evidence,
        now=timezone.now(),
    )
    return _page(request, recipient, "everything" if everything else "done")


def _take_back(request: HttpRequest, recipient: Recipient) -> HttpResponse:
    try:
        come_back(recipient, now=timezone.now())
    except (MovedOn, RuleBroken):
        return _page(request, recipient, "ask_us", status=409)
    return _page(request, recipient, "back")


def _read(request: HttpRequest, token: str, use: TokenUse) -> Token | HttpResponse:
    """Return what the token says, or the answer to one who brought none of ours."""
    try:
        told = read_token(token, use)
    except BadToken:
        return _slow_down() if is_too_often(request, "guesses") else _nothing_here(request)
    return _slow_down() if is_too_often(request, "links") else told


def _by_machine(request: HttpRequest) -> bool:
    return is_machine(request.method or "", request.headers)


@lru_cache(maxsize=10_000)
def _kept_address(campaign_id: int, link: int) -> str:
    return TrackedLink.objects.values_list("url", flat=True).get(campaign=campaign_id, seq=link)


def _address(campaign_id: int, link: int) -> str | None:
    """Rows of links never change, so a process asks for each once."""
    try:
        return _kept_address(campaign_id, link)
    except TrackedLink.DoesNotExist:
        return None


def _page(
    request: HttpRequest, recipient: Recipient | None, state: str, *, status: int = 200
) -> HttpResponse:
    context = {
        "state": state,
        "company": Company.objects.first(),
        "is_service": recipient is not None and recipient.purpose is Purpose.SERVICE,
    }
    answer = render(request, "crm/unsubscribe.html", context, status=status)
    for name, value in _HEADERS.items():
        answer[name] = value
    return answer


def _nothing_here(request: HttpRequest) -> HttpResponse:
    return _page(request, None, "nothing", status=404)


def _slow_down() -> HttpResponse:
    return HttpResponse(
        status=429, content_type="text/plain", headers=_HEADERS | {"Retry-After": "60"}
    )
