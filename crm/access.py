"""The only way from a request to a row: who is asking, and what of the company they may see.

Every function here takes a ``Viewer``. What is outside their scope does not exist for them: a
stranger's id is a 404, in pages, API, counts and searches alike.

A role reaches as far as its own grant and lends its reach to no other: whoever manages one store
and writes campaigns for the whole company sees everybody's customers, and lets go only colleagues
of that store. So what is done *as* something takes the stores of that role, and of an
administrator's grant; only seeing a customer or a colleague's name takes all roles together.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from campaigns.models import Batch, Campaign, Delivery, QuickReply
from contacts.enums import FindingKind, ItemState, Role, Scope, StaffState
from contacts.models import (
    Customer,
    Finding,
    GroupChat,
    Handover,
    HandoverItem,
    HistoryEntry,
    Loss,
    Notice,
    OwnershipPeriod,
    Reconciliation,
    Staff,
    StaffFile,
    Store,
    Task,
)
from contacts.pools import offered_to, resting, rule_of, within_reach
from crm.enums import WebhookState
from crm.models import Order, Webhook

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
    granted_stores: dict[Role, frozenset[int]]

    def has(self, *roles: Role) -> bool:
        """Whether the person holds one of these roles."""
        return any(role in self.scopes for role in roles)

    def stores_for(self, *roles: Role) -> frozenset[int] | None:
        """The stores that these roles reach together; ``None`` means all of them.

        An administrator's grant always counts; without ``roles`` every grant does. Empty for
        people who reach their own customers only, which everybody does.
        """
        wanted = {Role.ADMINISTRATOR, *roles} if roles else set(Role)
        reached: frozenset[int] = frozenset()
        for role in wanted & self.scopes.keys():
            if self.scopes[role] == Scope.COMPANY:
                return None
            reached |= self._stores_of(role)
        return reached

    def reaches(self, store_id: int | None, *roles: Role) -> bool:
        """Whether these roles, or an administrator's grant, reach the store."""
        stores = self.stores_for(*roles)
        return stores is None or store_id in stores

    def _stores_of(self, role: Role) -> frozenset[int]:
        granted = self.granted_stores.get(role, frozenset())
        if self.scopes[role] == Scope.DEPARTMENT:
            return self._stores_of_department | granted
        if self.scopes[role] == Scope.STORE:
            return granted | {self.staff.store_id} if self.staff.store_id else granted
        return frozenset()

    @cached_property
    def _stores_of_department(self) -> frozenset[int]:
        with connection.cursor() as cursor:
            cursor.execute(_DEPARTMENTS_BELOW, [self.staff.department_id])
            departments = [row[0] for row in cursor.fetchall()]
        stores = Store.objects.filter(department__in=departments)
        return frozenset(stores.values_list("pk", flat=True))


def viewer_for(staff: Staff) -> Viewer:
    """Load the person's roles: two queries."""
    grants = list(staff.roles.prefetch_related("stores"))
    return Viewer(
        staff=staff,
        scopes={Role(grant.role): Scope(grant.scope) for grant in grants},
        granted_stores={
            Role(grant.role): frozenset(store.pk for store in grant.stores.all())
            for grant in grants
        },
    )


def viewer_of(request: HttpRequest) -> Viewer:
    """Return who is asking, loaded once per request.

    Raises ``PermissionDenied`` for an account that belongs to no employed staff member, or to
    one who is suspended.
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
        if staff.state == StaffState.SUSPENDED:
            raise PermissionDenied(_("Your account is suspended. Ask an administrator."))
        viewer = viewer_for(staff)
        request.viewer = viewer  # type: ignore[attr-defined]  # read back two lines up, nowhere else
    return viewer


def require(viewer: Viewer, *roles: Role) -> None:
    """Raise ``PermissionDenied`` unless the person holds one of the roles; administrators may."""
    if not viewer.has(Role.ADMINISTRATOR, *roles):
        raise PermissionDenied(_("Your role does not allow this."))


def require_company(viewer: Viewer) -> None:
    """Raise ``PermissionDenied`` unless the person is an administrator of the whole company."""
    if viewer.scopes.get(Role.ADMINISTRATOR) != Scope.COMPANY:
        raise PermissionDenied(_("Only an administrator of the whole company can do this."))


def customers_of(viewer: Viewer, *roles: Role) -> QuerySet[Customer]:
    """Return the active customers that the person sees, by these roles or by all of theirs."""
    active = Customer.objects.active()
    stores = viewer.stores_for(*roles)
    if stores is None:
        return active
    if not stores:
        return active.filter(owner=viewer.staff)
    return active.filter(Q(store__in=stores) | Q(owner=viewer.staff))


def customer_for(viewer: Viewer, pk: int, *roles: Role) -> Customer:
    """Return one customer within the person's scope, or answer 404."""
    found = customers_of(viewer, *roles).select_related("owner", "store")
    return get_object_or_404(found, pk=pk)


def pool_of(viewer: Viewer) -> QuerySet[OwnershipPeriod]:
    """Return who rests in the pools that the person gives out as a manager; others see none."""
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return OwnershipPeriod.objects.none()
    stores = viewer.stores_for(Role.MANAGER)
    return resting() if stores is None else resting().filter(store__in=stores)


def offered_in_pool(viewer: Viewer, *, now: datetime) -> QuerySet[OwnershipPeriod]:
    """Return whom a guide may claim out of the pool of their store, in order; to others none."""
    if not viewer.has(Role.GUIDE) or viewer.staff.store_id is None:
        return OwnershipPeriod.objects.none()
    return offered_to(viewer.staff, rule_of(viewer.staff.store_id), now=now)


def customer_to_claim(viewer: Viewer, pk: int, *, now: datetime) -> Customer:
    """Return a customer of the pool out of which a guide may claim, or answer 404.

    Whoever has left it lately is found too, so that a guide who comes too late is told.
    """
    require_guide(viewer)
    store = viewer.staff.store_id
    if store is None or not rule_of(store).claiming:
        raise Http404
    return get_object_or_404(within_reach(store, now=now), pk=pk)


def require_guide(viewer: Viewer) -> None:
    """Raise ``PermissionDenied`` unless the person looks after customers of their own."""
    if not viewer.has(Role.GUIDE):
        raise PermissionDenied(_("Your role does not allow this."))


def sees_numbers(viewer: Viewer, customer: Customer) -> bool:
    """Phone numbers are for those who answer for the customer, and for their managers."""
    return customer.owner_id == viewer.staff.pk or viewer.reaches(customer.store_id, Role.MANAGER)


def stores_of(viewer: Viewer, *roles: Role) -> QuerySet[Store]:
    """Return the stores the person sees, by these roles or all; everybody sees their own."""
    stores = viewer.stores_for(*roles)
    if stores is None:
        return Store.objects.all()
    return Store.objects.filter(pk__in=stores | {viewer.staff.store_id})


def colleagues_of(viewer: Viewer) -> QuerySet[Staff]:
    """Return those whose names the person may read, departed ones included, by all roles.

    It takes ``staff_of`` to do something about one of them.
    """
    return _staff_in(viewer, viewer.stores_for())


def staff_of(viewer: Viewer) -> QuerySet[Staff]:
    """Return the colleagues whom the person manages, departed ones included, and themselves."""
    return _staff_in(viewer, viewer.stores_for(Role.MANAGER))


def _staff_in(viewer: Viewer, stores: frozenset[int] | None) -> QuerySet[Staff]:
    if stores is None:
        return Staff.objects.all()
    return Staff.objects.filter(Q(store__in=stores) | Q(pk=viewer.staff.pk))


def staff_member_for(viewer: Viewer, pk: int) -> Staff:
    """Return one colleague whom the person manages, or answer 404."""
    return get_object_or_404(staff_of(viewer).select_related("store", "department"), pk=pk)


def refusal_to_depart(viewer: Viewer, person: Staff) -> str:
    """Say why the viewer may not record this departure; an empty text means that they may.

    Nobody lets themselves go, and only administrators of their store let administrators go.
    """
    if not person.is_employed:
        return _("%(name)s has already departed.") % {"name": person.name}
    if person.pk == viewer.staff.pk:
        return _("Ask a colleague to record your own departure.")
    is_administrator = person.roles.filter(role=Role.ADMINISTRATOR).exists()
    if is_administrator and not viewer.reaches(person.store_id, Role.ADMINISTRATOR):
        return _("Only an administrator can record the departure of an administrator.")
    return ""


def quick_replies_of(viewer: Viewer) -> QuerySet[QuickReply]:
    """Return the quick replies at hand: one's own, those of visible stores, the company's."""
    mine = Q(owner=viewer.staff) | Q(store__in=stores_of(viewer)) | Q(owner=None, store=None)
    return QuickReply.objects.filter(mine, archived_at=None)


def quick_reply_for(viewer: Viewer, pk: int) -> QuickReply:
    """Return one quick reply at hand, or answer 404."""
    found = quick_replies_of(viewer).select_related("content", "owner", "store")
    return get_object_or_404(found, pk=pk)


def staff_files_of(viewer: Viewer) -> QuerySet[StaffFile]:
    """Return the files of leavers that the person has read in; administrators see all."""
    if viewer.stores_for(Role.ADMINISTRATOR) is None:
        return StaffFile.objects.all()
    return StaffFile.objects.filter(uploaded_by=viewer.staff)


def staff_file_for(viewer: Viewer, pk: int) -> StaffFile:
    """Return one such file, or answer 404."""
    return get_object_or_404(staff_files_of(viewer).select_related("uploaded_by"), pk=pk)


def handovers_of(viewer: Viewer) -> QuerySet[Handover]:
    """Return the handovers of the people whom a manager or administrator sees; others see none."""
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return Handover.objects.none()
    return Handover.objects.filter(from_staff__in=staff_of(viewer))


def handover_for(viewer: Viewer, pk: int) -> Handover:
    """Return one handover within the person's scope, or answer 404."""
    return get_object_or_404(handovers_of(viewer).select_related("from_staff", "store"), pk=pk)


def chats_of(viewer: Viewer) -> QuerySet[GroupChat]:
    """Return the group chats that the person owns, and those of the stores they manage."""
    stores = viewer.stores_for(Role.MANAGER)
    known = GroupChat.objects.filter(known_at__isnull=False)
    return known if stores is None else known.filter(Q(store__in=stores) | Q(owner=viewer.staff))


def reconciliations_of(viewer: Viewer) -> QuerySet[Reconciliation]:
    """Return the comparisons with WeCom; their figures are the company's, so to others none."""
    manages = viewer.has(Role.MANAGER, Role.ADMINISTRATOR)
    if manages and viewer.stores_for(Role.MANAGER) is None:
        return Reconciliation.objects.all()
    return Reconciliation.objects.none()


def findings_of(viewer: Viewer) -> QuerySet[Finding]:
    """Return what comparisons found about the customers and colleagues a manager answers for."""
    stores = viewer.stores_for(Role.MANAGER)
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return Finding.objects.none()
    if stores is None:
        return Finding.objects.all()
    about_staff = Q(customer=None, staff__store__in=stores)
    return Finding.objects.filter(Q(customer__store__in=stores) | about_staff)


def finding_for(viewer: Viewer, pk: int) -> Finding:
    """Return one finding within the person's scope, or answer 404."""
    found = findings_of(viewer).select_related("staff", "customer", "handover")
    return get_object_or_404(found, pk=pk)


def refusal_to_repair(viewer: Viewer, finding: Finding) -> str:
    """Say why the viewer may not put this right; an empty text means that they may.

    Nobody gives a customer to a colleague whom they do not manage.
    """
    receivers = finding.detail.get("followers", [])
    if finding.kind != FindingKind.OWNER_APART:
        return ""
    if staff_of(viewer).filter(pk__in=receivers).count() == len(receivers):
        return ""
    return not_in_your_stores()


def not_in_your_stores() -> str:
    """Say whom to ask for what takes a colleague of another store."""
    return _("The connected colleague is not in your stores. Ask an administrator.")


def losses_of(viewer: Viewer) -> QuerySet[Loss]:
    """Return the losses of the stores that a manager or administrator reaches; others see none."""
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return Loss.objects.none()
    stores = viewer.stores_for(Role.MANAGER)
    return Loss.objects.all() if stores is None else Loss.objects.filter(store__in=stores)


def loss_for(viewer: Viewer, pk: int) -> Loss:
    """Return one loss within the person's scope, or answer 404."""
    shown = losses_of(viewer).select_related("customer", "staff", "owner", "store")
    return get_object_or_404(shown, pk=pk)


def notices_of(viewer: Viewer) -> QuerySet[Notice]:
    """Return what the person has been told; nobody reads another's notices."""
    return Notice.objects.filter(staff=viewer.staff)


def briefed_in(viewer: Viewer, handover_pk: int) -> tuple[Handover, QuerySet[HandoverItem]]:
    """Return a handover and its customers about whom the person may read a brief.

    Those who have their new owner, provisionally or for good. Its managers read about all of
    them, a receiver about their own; others find nothing there.
    """
    moved = HandoverItem.objects.filter(
        handover=handover_pk,
        state__in=[ItemState.REQUESTED, ItemState.WAITING, ItemState.ACCEPTED],
        undone_at=None,
        customer__in=Customer.objects.active(),
    )
    if managed := handovers_of(viewer).select_related("from_staff").filter(pk=handover_pk).first():
        return managed, moved
    mine = moved.filter(to_staff=viewer.staff, customer__owner=viewer.staff)
    received = Handover.objects.filter(pk__in=mine.values("handover"))
    return get_object_or_404(received.select_related("from_staff"), pk=handover_pk), mine


def tasks_of(viewer: Viewer) -> QuerySet[Task]:
    """Return the tasks the person sees: their own, about their customers, and of their stores."""
    return Task.objects.filter(
        Q(staff=viewer.staff)
        | Q(customer__in=customers_of(viewer))
        | _in_stores(viewer.stores_for(Role.MANAGER))
    )


def task_for(viewer: Viewer, pk: int) -> Task:
    """Return one task that the person sees, or answer 404."""
    found = tasks_of(viewer).select_related("staff", "store", "customer", "handover__from_staff")
    return get_object_or_404(found, pk=pk)


def task_to_change(viewer: Viewer, pk: int) -> Task:
    """Return one task that the person may change, or answer 404; 403 if they may only read it.

    Whose task it is may, whoever owns the customer, and who manages the store.
    """
    task = task_for(viewer, pk)
    owns = task.customer is not None and task.customer.owner_id == viewer.staff.pk
    if not (
        task.staff_id == viewer.staff.pk or owns or viewer.reaches(task.store_id, Role.MANAGER)
    ):
        raise PermissionDenied(_("Your role does not allow this."))
    return task


def store_tasks_of(viewer: Viewer) -> QuerySet[Task]:
    """Return the tasks that wait for whoever manages the stores that the person manages."""
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return Task.objects.none()
    return Task.objects.filter(_in_stores(viewer.stores_for(Role.MANAGER)), staff=None)


def _in_stores(stores: frozenset[int] | None) -> Q:
    return Q() if stores is None else Q(store__in=stores)


def orders_of(viewer: Viewer) -> QuerySet[Order]:
    """Return the orders of the customers the person sees, and of those merged into them."""
    visible = customers_of(viewer)
    return Order.objects.filter(Q(customer__in=visible) | Q(customer__merged_into__in=visible))


def campaigns_of(viewer: Viewer) -> QuerySet[Campaign]:
    """Return the campaigns the person sees.

    Marketers and administrators who see the whole company see all; others those they made.
    """
    if viewer.stores_for(Role.MARKETER) is None:
        return Campaign.objects.all()
    return Campaign.objects.filter(created_by=viewer.staff)


def campaign_for(viewer: Viewer, pk: int) -> Campaign:
    """Return one campaign within the person's scope, or answer 404."""
    found = campaigns_of(viewer).select_related("content", "segment", "handover__from_staff")
    return get_object_or_404(found, pk=pk)


def batches_of(viewer: Viewer) -> QuerySet[Batch]:
    """Return the batches of visible campaigns, and those that the person has to confirm."""
    return Batch.objects.filter(Q(campaign__in=campaigns_of(viewer)) | Q(sender=viewer.staff))


def deliveries_of(viewer: Viewer) -> QuerySet[Delivery]:
    """Return the deliveries of visible campaigns to customers within a marketer's scope."""
    visible = Delivery.objects.filter(campaign__in=campaigns_of(viewer))
    if viewer.stores_for(Role.MARKETER) is None:
        return visible
    return visible.filter(customer__in=customers_of(viewer, Role.MARKETER))


def history_of(viewer: Viewer) -> QuerySet[HistoryEntry]:
    """Return what was done within an administrator's scope; to others nothing.

    For an administrator of part of the company: to its customers, colleagues and handovers.
    """
    stores = viewer.stores_for(Role.ADMINISTRATOR)
    if stores is None:
        return HistoryEntry.objects.all()
    if not viewer.has(Role.ADMINISTRATOR):
        return HistoryEntry.objects.none()
    people = _staff_in(viewer, stores)
    return HistoryEntry.objects.filter(
        Q(customer__in=customers_of(viewer, Role.ADMINISTRATOR))
        | Q(subject_kind="staff", subject_id__in=people.values("pk"))
        | Q(
            subject_kind="handover",
            subject_id__in=Handover.objects.filter(from_staff__in=people).values("pk"),
        )
    )


def webhooks_of(viewer: Viewer) -> QuerySet[Webhook]:
    """Return the webhooks, which tell of everything: to whoever administers the whole company."""
    require_company(viewer)
    return Webhook.objects.exclude(state=WebhookState.REMOVED)


def webhook_for(viewer: Viewer, pk: int) -> Webhook:
    """Return one webhook that has not been removed, or answer 404."""
    return get_object_or_404(webhooks_of(viewer).select_related("created_by"), pk=pk)
