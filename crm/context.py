"""What every page shows around its own content: who is looking, and where they can go."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from contacts.enums import Role
from contacts.models import Company
from crm.access import Viewer, notices_of, viewer_of
from crm.queries import demo_personas

MOST_UNREAD = 99
_BESIDE = {
    "campaign_list": ("/contents/", "/posts/", "/segments/", "/welcomes/"),
    "handover_list": ("/losses/", "/warnings/", "/pool/", "/wecom-check/"),
    "preferences": ("/webhooks/", "/messaging-rules/"),
}
"""Pages that one reaches from a place in the navigation, and that stand elsewhere.

Some have a place of their own for those whose navigation has room for it."""


@dataclass(frozen=True, slots=True)
class NavItem:
    """One place in the navigation."""

    label: str
    icon: str
    url: str
    is_current: bool


def page(request: HttpRequest) -> dict[str, Any]:
    """Give templates ``viewer``, ``nav``, ``company_name``, ``demo_personas`` and ``unread``, lazily.

    Each is looked up only when shown. ``viewer``, ``nav`` and ``unread``, the number of notices
    not read yet, are empty for visitors and for accounts that belong to nobody at work;
    ``demo_personas`` is empty everywhere but in a demo.
    """
    return {
        "viewer": SimpleLazyObject(lambda: _viewer(request)),
        "nav": SimpleLazyObject(lambda: _nav(request)),
        "company_name": SimpleLazyObject(_company_name),
        "demo_personas": SimpleLazyObject(_personas),
        "unread": SimpleLazyObject(lambda: _unread(request)),
    }


@dataclass(frozen=True, slots=True)
class Persona:
    """One person of the demo, as the sign-in page offers them."""

    slug: str
    name: str
    title: str
    sentence: str


def _personas() -> list[Persona]:
    words = {
        "guide": (_("Enter as a guide"), _("whom to contact today, on the phone")),
        "manager": (_("Enter as a manager"), _("handovers, and customers without a guide")),
        "marketer": (_("Enter as a marketer"), _("campaigns, from segment to result")),
        "admin": (_("Enter as an administrator"), _("everything, for the whole company")),
    }
    return [Persona(slug, user.staff.name, *words[slug]) for slug, user in demo_personas().items()]


def _viewer(request: HttpRequest) -> Viewer | None:
    user = getattr(request, "user", None)  # missing when an error struck before the middleware
    if user is None or not user.is_authenticated:
        return None
    try:
        return viewer_of(request)
    except PermissionDenied:
        return None


def _nav(request: HttpRequest) -> list[NavItem]:
    viewer = _viewer(request)
    if viewer is None:
        return []
    places = [("today", _("Today"), "home"), ("customer_list", _("Customers"), "users")]
    if viewer.has(Role.GUIDE, Role.MANAGER):
        places.append(("task_list", _("Tasks"), "checklist"))
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR) and viewer.has(Role.GUIDE):
        places.append(("pool_page", _("Pool"), "inbox"))
    if viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        places += [
            ("staff_list", _("Staff"), "id"),
            ("handover_list", _("Handovers"), "arrows-exchange"),
        ]
    if viewer.has(Role.MARKETER, Role.ADMINISTRATOR):
        places.append(("campaign_list", _("Campaigns"), "send"))
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR) and viewer.has(Role.MARKETER):
        places.append(("segment_list", _("Segments"), "filter"))
    places.append(("preferences", _("Me"), "user"))
    own = {reverse(name) for name, _label, _icon in places}
    return [_item(request, name, label, icon, own) for name, label, icon in places]


def _item(request: HttpRequest, name: str, label: str, icon: str, own: set[str]) -> NavItem:
    url = reverse(name)
    places = (url, *(place for place in _BESIDE.get(name, ()) if place not in own))
    is_current = request.path == url if url == "/" else request.path.startswith(places)
    return NavItem(label, icon, url, is_current)


def _unread(request: HttpRequest) -> str:
    """How many notices are new, in words that fit a bell; empty when none is."""
    viewer = _viewer(request)
    if viewer is None:
        return ""
    new = notices_of(viewer).filter(read_at=None)[: MOST_UNREAD + 1].count()
    return f"{MOST_UNREAD}+" if new > MOST_UNREAD else str(new or "")


def _company_name() -> str:
    return Company.objects.values_list("short_name", flat=True).first() or "Liuke"
