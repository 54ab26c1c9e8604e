"""The customer list as a file."""

from collections.abc import Iterator

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from campaigns.models import Campaign
from contacts.actions.exports import note_export
from contacts.enums import IdentityKind, Role
from contacts.errors import RuleBroken
from contacts.models import Customer, Identity
from crm.access import Viewer, campaign_for, customers_of, members_of, viewer_as, viewer_of
from crm.campaign_queries import recipients_of
from crm.csv_files import csv_response
from crm.customer_queries import shown_number
from crm.forms.customers import CustomerFilter
from crm.views.customers import chosen_segment

CHUNK = 2000
_PHONES = Prefetch("identities", Identity.objects.filter(kind=IdentityKind.PHONE).order_by("pk"))


@login_required
@require_POST
def customer_export(request: HttpRequest) -> StreamingHttpResponse | HttpResponseRedirect:
    """Download the customers of the filter as CSV, as far as the day's rows last; else none."""
    viewer = viewer_of(request)
    now = timezone.now()
    chosen = CustomerFilter.read(request.GET)
    segment = chosen_segment(viewer, chosen)
    visible = members_of(viewer, segment) if segment else customers_of(viewer)
    found = chosen.apply(visible, now=now).order_by("-pk")
    a_day = _a_day(viewer)
    keys = list(found.values_list("pk", flat=True))
    data = {"segment": segment.pk} if segment else {}
    try:
        note_export("customers", len(keys), actor=viewer.staff, now=now, a_day=a_day, data=data)
    except RuleBroken as error:
        messages.error(request, str(error))
        return redirect(reverse("customer_list") + chosen.address())
    return csv_response("customers.csv", _rows(viewer, customers_of(viewer), keys))


def _a_day(viewer: Viewer) -> int:
    leads = viewer.has(Role.MANAGER, Role.ADMINISTRATOR)
    return settings.EXPORT_ROWS_OF_MANAGERS if leads else settings.EXPORT_ROWS


def _rows(
    viewer: Viewer, visible: QuerySet[Customer], keys: list[int]
) -> Iterator[tuple[object, ...]]:
    yield (
        _("Customer"),
        _("Phone"),
        _("Owner"),
        _("Store"),
        _("City"),
        _("Birthday"),
        _("Value"),
        _("Last contact"),
        _("Customer since"),
        _("Id"),
    )
    shown = visible.select_related("owner", "store").prefetch_related(_PHONES).order_by("-pk")
    for start in range(0, len(keys), CHUNK):
        for customer in shown.filter(pk__in=keys[start : start + CHUNK]):
            contact = customer.last_interaction_at
            yield (
                str(customer),
                " ".join(shown_number(viewer, customer, row) for row in customer.identities.all()),
                customer.owner.name if customer.owner else "",
                customer.store.name,
                customer.city,
                customer.birthday,
                customer.spent,
                timezone.localtime(contact).date() if contact else "",
                timezone.localtime(customer.created_at).date(),
                customer.pk,
            )


@login_required
@require_POST
def campaign_export(request: HttpRequest, pk: int) -> StreamingHttpResponse | HttpResponseRedirect:
    """Download the recipients of the filter as CSV, as far as the day's rows last; else none."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    state, reason = request.GET.get("state", ""), request.GET.get("reason", "")
    a_day = _a_day(viewer)
    found = recipients_of(viewer, campaign, state=state, reason=reason, after=None)
    number = found.order_by()[: a_day + 1].count()
    now = timezone.now()
    try:
        note_export(
            "recipients",
            number,
            actor=viewer.staff,
            now=now,
            a_day=a_day,
            data={"campaign": campaign.pk},
        )
    except RuleBroken as error:
        messages.error(request, str(error))
        return redirect("campaign_page", pk=pk)
    rows = _recipient_rows(viewer, campaign, state=state, reason=reason, most=number)
    return csv_response(f"campaign-{pk}.csv", rows)


def _recipient_rows(
    viewer: Viewer, campaign: Campaign, *, state: str, reason: str, most: int
) -> Iterator[tuple[object, ...]]:
    """Yield a heading and at most ``most`` recipients, a chunk at a time."""
    yield (_("Customer"), _("Id"), _("Batch"), _("Sender"), _("State"), _("Reason"), _("Sent"))
    after: int | None = None
    while most > 0:
        rows = recipients_of(viewer, campaign, state=state, reason=reason, after=after)
        chunk = list(rows[: min(CHUNK, most)])
        for row in chunk:
            sender = row.batch.sender if row.batch else None
            yield (
                str(row.customer),
                row.customer_id,
                row.batch.seq if row.batch else "",
                sender.name if sender else "",
                row.get_state_display(),
                row.get_reason_display(),
                timezone.localtime(row.sent_at).strftime("%Y-%m-%d %H:%M:%S")
                if row.sent_at
                else "",
            )
        if len(chunk) < min(CHUNK, most):
            return
        most -= len(chunk)
        after = chunk[-1].customer_id
