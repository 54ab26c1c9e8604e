"""Who manages which stores, for many stores at once."""

from collections.abc import Iterable

from django.db import connection

from contacts.enums import Role

_MANAGERS = """
WITH RECURSIVE above (store_id, department_id) AS (
    SELECT id, department_id FROM contacts_store WHERE id = ANY(%s)
    UNION
    SELECT above.store_id, department.parent_id
    FROM above JOIN contacts_department AS department ON department.id = above.department_id
    WHERE department.parent_id IS NOT NULL
)
SELECT store.id, staff.id
FROM contacts_store AS store
CROSS JOIN contacts_rolegrant AS role
JOIN contacts_staff AS staff ON staff.id = role.staff_id
WHERE store.id = ANY(%s) AND role.role = %s AND staff.state IN ('active', 'leaving')
  AND (role.scope = 'company'
       OR (role.scope = 'store' AND staff.store_id = store.id)
       OR (role.scope = 'department' AND EXISTS (
               SELECT FROM above
               WHERE above.store_id = store.id AND above.department_id = staff.department_id))
       OR (role.scope IN ('store', 'department') AND EXISTS (
               SELECT FROM contacts_rolegrant_stores AS granted
               WHERE granted.rolegrant_id = role.id AND granted.store_id = store.id)))
GROUP BY store.id, staff.id
ORDER BY store.id,
    min(CASE role.scope WHEN 'store' THEN 0 WHEN 'department' THEN 1 ELSE 2 END), staff.id
"""


def managers_by_store(stores: Iterable[int], role: Role = Role.MANAGER) -> dict[int, list[int]]:
    """Return the staff ids of those who manage each of these stores, the nearest first: one query.

    A manager's grant reaches a store as ``crm.access.Viewer`` says. The suspended and the
    departed do not count; a store that nobody manages has an empty list.
    """
    wanted = sorted(set(stores))
    found: dict[int, list[int]] = {store: [] for store in wanted}
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(_MANAGERS, [wanted, wanted, role.value])
            for store, staff in cursor.fetchall():
                found[store].append(staff)
    return found


def managers_of(store_id: int | None, role: Role = Role.MANAGER) -> list[int]:
    """Return the staff ids of those who manage the store, the nearest first."""
    return managers_by_store([store_id], role)[store_id] if store_id else []
