"""Where a notice leads."""

from django.urls import reverse

from contacts.enums import NoticeKind, Role
from contacts.models import Notice
from crm.access import Viewer, customers_of, survivor_for

_LOSSES = frozenset({NoticeKind.CUSTOMER_LOST, NoticeKind.CUSTOMER_REMOVED, NoticeKind.UNUSUAL})


def place_of(notice: Notice, viewer: Viewer) -> str:
    """Return the address of the page that a notice is about, among those the viewer may open."""
    if notice.kind == NoticeKind.CAMPAIGN:
        return _campaign(notice, viewer)
    leads = viewer.has(Role.MANAGER, Role.ADMINISTRATOR)
    if leads and (webhook := notice.data.get("webhook")):
        return reverse("webhook_page", args=[webhook])
    if leads and notice.data.get("what") == "exports":
        return reverse("warning_list")
    if leads and notice.kind in _LOSSES:
        return _losses(notice)
    if leads and notice.handover_id:
        return reverse("handover_page", args=[notice.handover_id])
    if notice.customer_id and _is_seen(notice.customer_id, viewer):
        return reverse("customer_page", args=[notice.customer_id])
    if leads and notice.about_id:
        return reverse("staff_page", args=[notice.about_id])
    return reverse("today")


def _is_seen(customer: int, viewer: Viewer) -> bool:
    """Whether the viewer sees the customer, or the one into whom the record was merged."""
    if customers_of(viewer).filter(pk=customer).exists():
        return True
    return survivor_for(viewer, customer) is not None


def _campaign(notice: Notice, viewer: Viewer) -> str:
    if not viewer.has(Role.MARKETER, Role.ADMINISTRATOR):
        return reverse("today")
    if series := notice.data.get("series"):
        return reverse("series_page", args=[series])
    return reverse("campaign_page", args=[notice.data["campaign"]])


def _losses(notice: Notice) -> str:
    if notice.customer_id and (loss := notice.data.get("loss")):
        return reverse("loss_page", args=[loss])
    place = reverse("loss_list")
    return f"{place}?staff={notice.about_id}" if notice.about_id else place
