"""The only way from a request to a row: who is asking, and what of the company they may see.

Every function here takes a ``Viewer``. What is outside their scope does not exist for them: a
stranger's id is a 404, in pages, API, counts and searches alike.
"""

from dataclasses import dataclass
from functools import cached_property

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from campaigns.models import Batch, Campaign, Delivery
from contacts.enums import Role, Scope
from contacts.models import Customer, Handover, Staff, Store

_BREADTH = {Scope.OWN: 0, Scope.STORE: 1, Scope.DEPARTMENT: 2, Scope.COMPANY: 3}

_DEPARTMENTS_BELOW = """
WITH RECURSIVE below AS (
    SELECT id FROM contacts_department WHERE id = %s
    UNION
    SELECT child.id FROM contacts_department AS child JOIN below ON child.parent_id = below.id
)
SELECT id FROM below
"""


@dataclass(frozen=True)
class Viewer:
    """A staff member who is asking, with the roles they hold at this moment."""

    staff: Staff
    scopes: dict[Role, Scope]
    granted_stores: frozenset[int]

    def has(self, *roles: Role) -> bool:
        """Whether the person holds one of these roles."""
        return any(role in self.scopes for role in roles)

    @cached_property
    def scope(self) -> Scope:
        """How far the person sees: the widest scope of all their roles."""
        return max(self.scopes.values(), key=_BREADTH.__getitem__, default=Scope.OWN)

    @cached_property
    def store_ids(self) -> frozenset[int] | None:
        """The stores whose customers the person sees; ``None`` means all of them."""
        if self.scope == Scope.COMPANY:
            return None
        if self.scope == Scope.DEPARTMENT:
            return self._stores_of_department() | self.granted_stores
        if self.scope == Scope.STORE:
            own = {self.staff.store_id} if self.staff.store_id else set()
            return frozenset(own) | self.granted_stores
        return frozenset()

    def _stores_of_department(self) -> frozenset[int]:
        with connection.cursor() as cursor:
            cursor.execute(_DEPARTMENTS_BELOW, [self.staff.department_id])
            departments = [row[0] for row in cursor.fetchall()]
        stores = Store.objects.filter(department__in=departments)
        return frozenset(stores.values_list("pk", flat=True))


def viewer_for(staff: Staff) -> Viewer:
    """Load the person's roles: one query."""
    grants = list(staff.roles.prefetch_related("stores"))
    stores = {store.pk for grant in grants for store in grant.stores.all()}
    return Viewer(
        staff=staff,
        scopes={Role(grant.role): Scope(grant.scope) for grant in grants},
        granted_stores=frozenset(stores),
    )


def viewer_of(request: HttpRequest) -> Viewer:
    """Return who is asking, loaded once per request.

    Raises ``PermissionDenied`` for an account that belongs to no employed staff member.
    """
    viewer: Viewer | None = getattr(request, "viewer", None)
    if viewer is None:
        staff = (
            Staff.objects.employed()
            .select_related("store", "department")
            .filter(user__isnull=False, user=request.user.pk)  # a visitor's pk is None
            .first()
        )
        if staff is None:
            raise PermissionDenied(_("This account belongs to nobody at work here."))
        viewer = viewer_for(staff)
        request.viewer = viewer  # type: ignore[attr-defined]  # read back two lines up, nowhere else
    return viewer


def require(viewer: Viewer, *roles: Role) -> None:
    """Raise ``PermissionDenied`` unless the person holds one of the roles; administrators may."""
    if not viewer.has(Role.ADMINISTRATOR, *roles):
        raise PermissionDenied(_("Your role does not allow this."))


def customers_of(viewer: Viewer) -> QuerySet[Customer]:
    """Return the active customers that the person sees."""
    active = Customer.objects.active()
    if viewer.store_ids is None:
        return active
    if viewer.scope == Scope.OWN:
        return active.filter(owner=viewer.staff)
    return active.filter(Q(store__in=viewer.store_ids) | Q(owner=viewer.staff))


def customer_for(viewer: Viewer, pk: int) -> Customer:
    """Return one customer within the person's scope, or answer 404."""
    return get_object_or_404(customers_of(viewer).select_related("owner", "store"), pk=pk)


def stores_of(viewer: Viewer) -> QuerySet[Store]:
    """Return the stores the person sees; everybody sees their own."""
    if viewer.store_ids is None:
        return Store.objects.all()
    return Store.objects.filter(pk__in=viewer.store_ids | {viewer.staff.store_id})


def staff_of(viewer: Viewer) -> QuerySet[Staff]:
    """Return the colleagues the person sees, departed ones included; guides see themselves."""
    if viewer.store_ids is None:
        return Staff.objects.all()
    return Staff.objects.filter(Q(store__in=viewer.store_ids) | Q(pk=viewer.staff.pk))


def staff_member_for(viewer: Viewer, pk: int) -> Staff:
    """Return one colleague within the person's scope, or answer 404."""
    return get_object_or_404(staff_of(viewer).select_related("store", "department"), pk=pk)


def refusal_to_depart(viewer: Viewer, person: Staff) -> str:
    """Say why the viewer may not record this departure; an empty text means that they may.

    Nobody lets themselves go, and only administrators let administrators go.
    """
    if not person.is_employed:
        return _("%(name)s has already departed.") % {"name": person.name}
    if person.pk == viewer.staff.pk:
        return _("Ask a colleague to record your own departure.")
    is_administrator = person.roles.filter(role=Role.ADMINISTRATOR).exists()
    if is_administrator and not viewer.has(Role.ADMINISTRATOR):
        return _("Only an administrator can record the departure of an administrator.")
    return ""


def handovers_of(viewer: Viewer) -> QuerySet[Handover]:
    """Return the handovers of the people whom a manager or administrator sees; others see none."""
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return Handover.objects.none()
    return Handover.objects.filter(from_staff__in=staff_of(viewer))


def handover_for(viewer: Viewer, pk: int) -> Handover:
    """Return one handover within the person's scope, or answer 404."""
    return get_object_or_404(handovers_of(viewer).select_related("from_staff", "store"), pk=pk)


def campaigns_of(viewer: Viewer) -> QuerySet[Campaign]:
    """Return the campaigns the person sees.

    Marketers and administrators who see the whole company see all; others those they made.
    """
    if viewer.has(Role.MARKETER, Role.ADMINISTRATOR) and viewer.store_ids is None:
        return Campaign.objects.all()
    return Campaign.objects.filter(created_by=viewer.staff)


def campaign_for(viewer: Viewer, pk: int) -> Campaign:
    """Return one campaign within the person's scope, or answer 404."""
    return get_object_or_404(campaigns_of(viewer).select_related("content", "segment"), pk=pk)


def batches_of(viewer: Viewer) -> QuerySet[Batch]:
    """Return the batches of visible campaigns, and those that the person has to confirm."""
    return Batch.objects.filter(Q(campaign__in=campaigns_of(viewer)) | Q(sender=viewer.staff))


def deliveries_of(viewer: Viewer) -> QuerySet[Delivery]:
    """Return the deliveries of visible campaigns to customers within the person's scope."""
    visible = Delivery.objects.filter(campaign__in=campaigns_of(viewer))
    if viewer.store_ids is None:
        return visible
    return visible.filter(customer__in=customers_of(viewer))
