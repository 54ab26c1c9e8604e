"""Buttons that change the attachments of a message while it is written."""

from datetime import datetime

from django.http import HttpRequest
from django.utils.translation import gettext as _

from campaigns.actions.media import keep_media
from campaigns.attachments import MOST
from contacts.errors import RuleBroken
from crm.access import Viewer, media_of
from crm.forms.attachments import Typed, with_one_more, without_one
from crm.forms.contents import MediaForm
from crm.paging import whole_number


def is_about_attachments(go: str) -> bool:
    """Whether a button is one of these."""
    return go.startswith(("attach-", "detach-"))


def after_button(
    go: str, typed: Typed, request: HttpRequest, viewer: Viewer, *, now: datetime
) -> Typed:
    """Return the inputs after a button was pressed. Raises ``RuleBroken``; nothing is lost then.

    A file that was chosen and not uploaded yet goes along, whatever was pressed.
    """
    if go.startswith("detach-"):
        place = whole_number(go.removeprefix("detach-"))
        left = typed if place is None else without_one(typed, place - 1)
        return _with_chosen_file(left, request, viewer, now=now)
    if go == "attach-new":
        return _with_file(typed, request, viewer, now=now)
    typed = _with_chosen_file(typed, request, viewer, now=now)
    if not is_about_attachments(go):
        return typed
    _check_room(typed)
    if go == "attach-kept":
        number = whole_number(request.POST.get("kept_file"))
        kept = media_of(viewer).filter(pk=number or 0).first()
        if kept is None:
            raise RuleBroken(_("Choose a file first."))
        return with_one_more(typed, kept.kind, kept)
    return with_one_more(typed, go.removeprefix("attach-"))


def _with_chosen_file(
    typed: Typed, request: HttpRequest, viewer: Viewer, *, now: datetime
) -> Typed:
    if "new_file" not in request.FILES:
        return typed
    return _with_file(typed, request, viewer, now=now)


def _with_file(typed: Typed, request: HttpRequest, viewer: Viewer, *, now: datetime) -> Typed:
    _check_room(typed)
    form = MediaForm(request.POST, request.FILES)
    if not form.is_valid():
        raise RuleBroken(form.errors["new_file"][0])
    upload = form.cleaned_data["new_file"]
    media = keep_media(upload.name, upload.read(), actor=viewer.staff, now=now)
    return with_one_more(typed, media.kind, media)


def _check_room(typed: Typed) -> None:
    if len(typed.get("att_kind", [])) >= MOST:
        raise RuleBroken(_("A message takes at most %(most)s attachments.") % {"most": MOST})
