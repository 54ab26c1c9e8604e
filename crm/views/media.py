"""Files that go with messages: brought, shown, put away; and their public addresses."""

from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaigns.actions.media import archive_media, keep_media
from campaigns.enums import MediaKind
from campaigns.models import MediaBody, MediaFile
from contacts.errors import RuleBroken
from crm.access import media_for, media_of, viewer_of
from crm.forms.contents import MediaForm
from crm.paging import page_of, whole_number
from crm.public_rates import is_too_often
from crm.views.refusals import press

ROWS = 60


@login_required
@require_http_methods(["GET", "POST"])
def media_list(request: HttpRequest) -> HttpResponse:
    """Show the files at hand; on POST take one in."""
    viewer = viewer_of(request)
    found = media_of(viewer)
    is_new = request.method == "POST"
    form = MediaForm(request.POST, request.FILES) if is_new else MediaForm()
    if is_new and form.is_valid():
        upload = form.cleaned_data["new_file"]
        try:
            keep_media(upload.name, upload.read(), actor=viewer.staff, now=timezone.now())
        except RuleBroken as error:
            form.add_error("new_file", str(error))
        else:
            messages.success(request, _("The file is here."))
            return redirect("media_list")
    kind, after = request.GET.get("kind", ""), whole_number(request.GET.get("after"))
    rows = found.order_by("-pk")
    if kind in MediaKind.values:
        rows = rows.filter(kind=kind)
    if after:
        rows = rows.filter(pk__lt=after)
    page = page_of(rows, ROWS)
    context = {"page": page, "form": form, "kind": kind, "kinds": MediaKind.choices}
    return render(request, "crm/media_list.html", context, status=400 if is_new else 200)


@login_required
@require_POST
def media_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a file away."""
    viewer = viewer_of(request)
    act = partial(archive_media, media_for(viewer, pk), actor=viewer.staff, now=timezone.now())
    return press(request, act, done=_("Put away."), back=reverse("media_list"))


@require_safe
def media_file(request: HttpRequest, token: str, name: str) -> HttpResponse:
    """Give a file to whoever knows its address: a customer's mail programme, a gateway.

    Nothing in it is ever run: pictures were written anew, documents are for saving only.
    """
    found = MediaFile.objects.filter(token=token).first()
    if found is None:
        too_often = is_too_often(request, "guesses")
        return HttpResponse(status=429 if too_often else 404, content_type="text/plain")
    etag = f'"{found.digest[:32]}"'
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified(headers=headers)
    as_attachment = found.kind == MediaKind.FILE
    headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=as_attachment, filename=found.name) or "attachment"
    )
    content = bytes(MediaBody.objects.get(media=found).content)
    return HttpResponse(content, content_type=found.media_type, headers=headers)
