"""Who is asking: the roles a person holds at this moment, and how far each reaches."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest
from django.utils.translation import gettext as _

from contacts.enums import Role, Scope, StaffState
from contacts.models import Staff, Store

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
    """Load the person's roles: one query."""
    scopes: dict[Role, Scope] = {}
    granted: dict[Role, set[int]] = defaultdict(set)
    for role, scope, store in staff.roles.values_list("role", "scope", "stores"):
        scopes[Role(role)] = Scope(scope)
        if store is not None:
            granted[Role(role)].add(store)
    stores = {role: frozenset(granted[role]) for role in scopes}
    return Viewer(staff=staff, scopes=scopes, granted_stores=stores)


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


def viewer_as(request: HttpRequest, *roles: Role) -> Viewer:
    """Return who is asking. Raises ``PermissionDenied`` unless they hold one of the roles."""
    viewer = viewer_of(request)
    require(viewer, *roles)
    return viewer


def require_company(viewer: Viewer) -> None:
    """Raise ``PermissionDenied`` unless the person is an administrator of the whole company."""
    if viewer.scopes.get(Role.ADMINISTRATOR) != Scope.COMPANY:
        raise PermissionDenied(_("Only an administrator of the whole company can do this."))


def require_guide(viewer: Viewer) -> None:
    """Raise ``PermissionDenied`` unless the person looks after customers of their own."""
    if not viewer.has(Role.GUIDE):
        raise PermissionDenied(_("Your role does not allow this."))
