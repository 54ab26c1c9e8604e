"""The library: messages kept for the next time, version after version."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from campaigns.actions.contents import archive_content, create_content, revise_content
from campaigns.actions.drafts import draft_of, keep_draft
from campaigns.attachments import check_for_channel
from campaigns.channels import LABELS, abilities_of, available_channels
from campaigns.enums import MediaKind
from campaigns.models import Content, Folder
from campaigns.previews import Words
from connectors.wecom.connector import WeComConnector
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import Viewer, content_for, library_of, media_of, viewer_as, viewer_of
from crm.actions.attaching import after_button, is_about_attachments
from crm.forms.attachments import Typed, inputs_of, rows_to_show
from crm.forms.contents import ContentForm
from crm.paging import page_of, search_words, whole_number
from crm.views.campaign_preview import preview_context
from crm.views.refusals import moved_on, press

ROWS = 50
FILES_OFFERED = 200
MOST_VERSIONS = 50


@login_required
@require_GET
def content_list(request: HttpRequest) -> HttpResponse:
    """Show the library, folder by folder."""
    viewer = viewer_of(request)
    rows = library_of(viewer).order_by("-pk")
    folder, words = whole_number(request.GET.get("folder")), search_words(request.GET.get("q"))
    after = whole_number(request.GET.get("after"))
    if folder:
        rows = rows.filter(folder=folder)
    if words:
        rows = rows.filter(name__icontains=words)
    if after:
        rows = rows.filter(pk__lt=after)
    page = page_of(rows, ROWS)
    context = {
        "page": page,
        "folders": Folder.objects.order_by("name"),
        "folder": folder,
        "words": words,
        "is_filtered": bool(folder or words),
        "may_write": viewer.has(Role.MARKETER, Role.ADMINISTRATOR),
    }
    return render(request, "crm/content_list.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def content_new(request: HttpRequest) -> HttpResponse:
    """Write a message into the library."""
    viewer = viewer_as(request, Role.MARKETER)
    return _write(request, viewer, None)


@login_required
@require_http_methods(["GET", "POST"])
def content_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Write the next version of a message."""
    viewer = viewer_as(request, Role.MARKETER)
    return _write(request, viewer, content_for(viewer, pk))


def _write(request: HttpRequest, viewer: Viewer, content: Content | None) -> HttpResponse:
    if request.method != "POST":
        return _form_page(request, viewer, content, _form_of(content), _inputs_of(content))
    go, now = request.POST.get("go", ""), timezone.now()
    typed: Typed = {name: [str(value) for value in values] for name, values in request.POST.lists()}
    form = ContentForm(initial=request.POST.dict())
    try:
        typed |= after_button(go, typed, request, viewer, now=now)
    except RuleBroken as error:
        return _form_page(request, viewer, content, form, typed, attaching=str(error), status=400)
    if is_about_attachments(go):
        return _form_page(request, viewer, content, form, typed)
    form = ContentForm(MultiValueDict(typed))
    if not form.is_valid():
        return _form_page(request, viewer, content, form, typed, status=400)
    fields = {name: form.cleaned_data[name] for name in ("name", "text", "attachments", "folder")}
    try:
        if content is None:
            written = create_content(**fields, actor=viewer.staff, now=now)
        else:
            written = revise_content(content, **fields, actor=viewer.staff, now=now)
    except RuleBroken as error:
        return _form_page(request, viewer, content, form, typed, refusal=str(error), status=400)
    except MovedOn as error:
        return _form_page(request, viewer, content, form, typed, refusal=str(error), status=409)
    messages.success(request, _("Kept in the library."))
    return redirect("content_page", pk=written.pk)


def _form_of(content: Content | None) -> ContentForm:
    if content is None:
        return ContentForm()
    folder = content.folder.name if content.folder else ""
    return ContentForm(initial={"name": content.name, "text": content.text, "folder": folder})


def _inputs_of(content: Content | None) -> Typed:
    return inputs_of(content.attachments) if content else {}


def _form_page(
    request: HttpRequest,
    viewer: Viewer,
    content: Content | None,
    form: ContentForm,
    typed: Typed,
    *,
    refusal: str = "",
    attaching: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "content": content,
        "form": form,
        "refusal": refusal,
        "attaching": attaching,
        "folders": ContentForm.folders(),
        "limits": [(LABELS[name], abilities_of(name).text_bytes) for name in available_channels()],
        **attachment_context(viewer, typed),
    }
    return render(request, "crm/content_form.html", context, status=status)


def attachment_context(viewer: Viewer, typed: Typed) -> dict[str, Any]:
    """What a page needs to show attachments as inputs: themselves, and the files at hand."""
    files = list(media_of(viewer).order_by("-pk")[:FILES_OFFERED])
    return {
        "attachments": rows_to_show(typed),
        "files": files,
        "pictures": [file for file in files if file.kind == MediaKind.IMAGE],
    }


@login_required
@require_GET
def content_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one message of the library, with its versions, and as one customer gets it."""
    viewer = viewer_of(request)
    content = content_for(viewer, pk)
    seen = _seen_by_customer(request, viewer, content)
    if request.GET.get("preview"):
        return render(request, "crm/parts/_preview.html", seen)
    context = {
        **seen,
        "channels": [(name, LABELS[name]) for name in available_channels()],
        "content": content,
        "attachments": rows_to_show(inputs_of(content.attachments)),
        "versions": _versions(content),
        "newer": getattr(content, "replaced_by", None),
        "may_write": viewer.has(Role.MARKETER, Role.ADMINISTRATOR),
    }
    return render(request, "crm/content_page.html", context)


def _seen_by_customer(request: HttpRequest, viewer: Viewer, content: Content) -> dict[str, Any]:
    """What a customer sees in the channel that is asked for, and what it cannot send."""
    asked = request.GET.get("channel")
    channel = asked if asked in available_channels() else WeComConnector.kind
    abilities = abilities_of(channel)
    sendable = [one for one in content.attachments if one["kind"] in abilities.attachment_kinds]
    context = preview_context(request, viewer, Words(channel, content.text, attachments=sendable))
    try:
        check_for_channel(content.attachments, abilities)
    except RuleBroken as error:
        context["wrong"] = str(error)
    return context


_BEFORE = """
WITH RECURSIVE before AS (
    SELECT content.* FROM campaigns_content AS content WHERE content.id = %s
    UNION ALL
    SELECT content.* FROM campaigns_content AS content JOIN before ON content.id = before.replaces_id
)
SELECT * FROM before ORDER BY version DESC LIMIT %s
"""


def _versions(content: Content) -> list[Content]:
    """Return the versions before this one, newest first: one query."""
    return list(Content.objects.raw(_BEFORE, [content.replaces_id, MOST_VERSIONS]))


@login_required
@require_POST
def content_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a message away."""
    viewer = viewer_as(request, Role.MARKETER)
    content = content_for(viewer, pk)
    act = partial(archive_content, content, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=_("Put away."), back=reverse("content_list"))


@login_required
@require_POST
def content_use(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin a campaign with this message, or take it into the one that is being written."""
    viewer = viewer_as(request, Role.MARKETER)
    content = content_for(viewer, pk)
    draft = draft_of(viewer.staff, None)
    typed = dict(draft.fields) if draft else {}
    typed |= {"text": [content.text], **inputs_of(content.attachments)}
    if not any(typed.get("name", [])):
        typed["name"] = [content.name]
    seen = draft.version if draft else 0
    try:
        keep_draft(viewer.staff, None, typed, seen=seen, window="library", now=timezone.now())
    except MovedOn as error:
        return moved_on(request, error, back=reverse("content_page", args=[pk]))
    return redirect("campaign_new")
