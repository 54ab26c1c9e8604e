"""What is being written, as one real customer would get it; and as a test for oneself."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from campaigns.actions.trial_sends import send_trial
from campaigns.attachments import check_attachments, check_for_channel
from campaigns.channels import abilities_of, available_channels
from campaigns.previews import Preview, Words, preview_for
from contacts.enums import Role
from contacts.errors import RuleBroken
from contacts.models import Customer
from crm.access import Viewer, customers_of
from crm.forms.attachments import attachments_typed
from crm.forms.customers import CustomerFilter
from crm.paging import search_words


def preview_part(
    request: HttpRequest, viewer: Viewer, typed: MultiValueDict[str, str]
) -> HttpResponse:
    """Show it for the first customer whose name or number has these words, else for the newest."""
    context = preview_context(request, viewer, _words(typed), Role.MARKETER)
    if request.GET.get("preview") == "html":
        return _mail(context["preview"])
    return render(request, "crm/parts/_preview.html", context)


def preview_context(
    request: HttpRequest, viewer: Viewer, words: Words, *roles: Role
) -> dict[str, Any]:
    """What the phone shows of these words, for a customer whom the viewer reaches by these roles."""
    who = search_words(request.GET.get("who"))
    customer = _customer(viewer, who, *roles)
    try:
        check_attachments(words.attachments)
    except RuleBroken as error:
        words, wrong = _without_attachments(words), str(error)
    else:
        wrong = ""
    return {
        "customer": customer,
        "who": who,
        "channel": words.channel,
        "preview": _preview(customer, words),
        "wrong": wrong,
        "mail_url": request.path + "?" + urlencode({"preview": "html", "who": who}),
    }


def _mail(preview: Preview) -> HttpResponse:
    """Give the HTML of a mail for a frame: its own styles and pictures, and nothing that runs."""
    return HttpResponse(
        preview.html,
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": _MAIL_POLICY,
            "X-Frame-Options": "SAMEORIGIN",
        },
    )


_MAIL_POLICY = (
    "default-src 'none'; img-src http: https:; style-src 'unsafe-inline';"
    " frame-ancestors 'self'; sandbox"
)


def send_test_of(viewer: Viewer, typed: MultiValueDict[str, str], *, now: datetime) -> str:
    """Send what is typed to the person who typed it, and return where to. Raises ``RuleBroken``."""
    words = _words(typed)
    check_for_channel(words.attachments, abilities_of(words.channel))
    preview = _preview(_customer(viewer, "", Role.MARKETER), words, is_test=True)
    return send_trial(preview, channel=words.channel, to=viewer.staff, now=now)


def _customer(viewer: Viewer, who: str, *roles: Role) -> Customer | None:
    found = customers_of(viewer, *roles).select_related("owner", "store").order_by("-pk")
    return CustomerFilter(words=who).apply(found, now=timezone.now()).first()


def _words(typed: MultiValueDict[str, str]) -> Words:
    channel = typed.get("channel") or ""
    return Words(
        channel=channel if channel in available_channels() else "wecom",
        text=(typed.get("text") or "").replace("\r\n", "\n").strip(),
        subject=typed.get("subject") or "",
        html=typed.get("html") or "",
        attachments=attachments_typed(dict(typed.lists())),
    )


def _without_attachments(words: Words) -> Words:
    return Words(words.channel, words.text, words.subject, words.html)


def _preview(customer: Customer | None, words: Words, *, is_test: bool = False) -> Preview:
    personal = abilities_of(words.channel).personal_text
    return preview_for(customer, words, personal=personal, is_test=is_test)
