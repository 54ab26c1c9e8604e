"""The group chats of a handover: their part of its page, and choosing who owns them."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from contacts.actions.chat_plans import assign_chats
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Handover
from crm.access import handover_for, viewer_as
from crm.forms.chats import ChatsForm
from crm.views.handover_faces import show_face
from crm.views.refusals import moved_on


@login_required
@require_POST
def handover_chats_assign(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a colleague be the next owner of group chats, or have one tried again."""
    viewer = viewer_as(request, Role.MANAGER)
    handover = handover_for(viewer, pk)
    form = ChatsForm(viewer, handover, request.POST)
    if not form.is_valid():
        return show_face(request, viewer, handover, status=400, chats=form)
    chosen, owner = form.cleaned_data["chats"], form.cleaned_data["owner"]
    items = [item.pk for item in chosen]
    try:
        given = assign_chats(handover, items, owner, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        form.add_error(None, str(error))
        return show_face(request, viewer, handover, status=400, chats=form)
    except MovedOn as error:
        return moved_on(request, error, back=_address(handover))
    messages.success(request, _said_of(given, owner))
    return redirect(_address(handover))


def _said_of(given: int, owner: Any) -> str:
    if owner is None:
        said = ngettext(
            "%(n)s group chat is dealt out at the start.",
            "%(n)s group chats are dealt out at the start.",
            given,
        )
        return said % {"n": given}
    said = ngettext(
        "%(n)s group chat goes to %(name)s.", "%(n)s group chats go to %(name)s.", given
    )
    return said % {"n": given, "name": owner.name}


def _address(handover: Handover) -> str:
    return f"{reverse('handover_page', args=[handover.pk])}#chats"
