"""A company of a million customers, made once and copied for every run.

`python -m bench.company` fills the database at `DATABASE_URL`, which has been made empty.
"""

import sys
from datetime import datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

import bench.ready  # noqa: F401 -- before the first model is imported
from contacts.enums import Role, Scope
from contacts.models import Company, Department, RoleGrant, Staff, Store, Tag, TagGroup, User

CUSTOMERS = 1_000_000
LEAVERS = 8
EACH = 20_000
GUIDES = 600
RECEIVERS = 10
STORES = 40

_CUSTOMERS = """
INSERT INTO contacts_customer
    (id, store_id, owner_id, name, name_key, search_key, gender, city, note, attributes, spent,
     last_interaction_at, state, created_at)
SELECT n, staff.store_id, staff.id, names.name || n, names.key || n, names.name || n || ' ' || names.key || n,
       CASE n %% 3 WHEN 0 THEN 'female' WHEN 1 THEN 'male' ELSE '' END, 'Shanghai', '', '{}',
       (n * 7919 %% 100000) / 10.0, %(now)s - (n * 104729 %% 400) * interval '1 day', 'active',
       %(now)s - (n %% 900) * interval '1 day'
FROM generate_series(1::bigint, %(customers)s) AS n
JOIN bench_owner ON bench_owner.place = CASE
        WHEN n <= %(led)s THEN (n - 1) / %(each)s ELSE %(leavers)s + n %% %(guides)s END
JOIN contacts_staff AS staff ON staff.id = bench_owner.id
CROSS JOIN LATERAL (
    SELECT (ARRAY['陈静','王磊','李娜','张伟','Zhao Min','Lin Yue'])[1 + n %% 6] AS name,
           (ARRAY['chen jing','wang lei','li na','zhang wei','zhao min','lin yue'])[1 + n %% 6] AS key
) AS names
"""

_REST = (
    """
    INSERT INTO contacts_ownershipperiod (customer_id, staff_id, store_id, reason, began_at)
    SELECT id, owner_id, store_id, 'imported', created_at FROM contacts_customer
    """,
    """
    INSERT INTO contacts_identity (customer_id, kind, system, value, created_at)
    SELECT id, 'wecom:external_userid', '', 'wm' || id, created_at FROM contacts_customer
    """,
    """
    INSERT INTO contacts_follow
        (staff_id, customer_id, channel, add_way, came_by, remark, began_at, end_reason)
    SELECT owner_id, id, 'wecom', 1, '', '', created_at, '' FROM contacts_customer
    """,
    """
    INSERT INTO contacts_customertag (customer_id, tag_id, added_at)
    SELECT customer.id, tag.id, customer.created_at FROM contacts_customer AS customer
    JOIN contacts_tag AS tag ON customer.id % 10 = tag.position WHERE tag.position < 3
    """,
    """
    INSERT INTO contacts_coupon
        (customer_id, code, title, percent, issued_at, expires_at, redeemed_at, created_at)
    SELECT id, 'C' || id, 'Spring', 10, day, day + interval '40 days',
           CASE WHEN id % 7 = 0 THEN day + interval '9 days' END, day
    FROM contacts_customer
    CROSS JOIN LATERAL (SELECT now() - (10 + id % 50) * interval '1 day' AS day) AS issue
    WHERE id % 3 = 0
    """,
    "SELECT setval(pg_get_serial_sequence('contacts_customer', 'id'), max(id)) FROM contacts_customer",
)


def fill() -> None:
    """Make the company; several minutes of a small machine."""
    now = timezone.now()
    owners = _people(now - timedelta(days=400))
    with connection.cursor() as cursor:
        # The rows are sound by construction; checking each reference would take as long again.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("DROP INDEX customer_search")
        cursor.execute("CREATE TEMP TABLE bench_owner (place int PRIMARY KEY, id bigint)")
        cursor.executemany("INSERT INTO bench_owner VALUES (%s, %s)", list(enumerate(owners)))
        values: dict[str, Any] = {
            "now": now,
            "customers": CUSTOMERS,
            "led": LEAVERS * EACH,
            "each": EACH,
            "leavers": LEAVERS,
            "guides": GUIDES,
        }
        cursor.execute(_CUSTOMERS, values)
        for statement in _REST:
            cursor.execute(statement)
        cursor.execute(
            "CREATE INDEX customer_search ON contacts_customer USING gin (search_key gin_trgm_ops)"
        )
        cursor.execute("VACUUM ANALYZE")


def _people(since: datetime) -> list[int]:
    """Hire leavers, guides, receivers and a manager; return the ids of those who own customers."""
    Company.objects.create(legal_name="Bench", short_name="Bench")
    department = Department.objects.create(name="Retail")
    stores = [
        Store.objects.create(department=department, name=f"Store {n}", code=f"S{n}")
        for n in range(STORES)
    ]
    group = TagGroup.objects.create(name="Interests")
    Tag.objects.bulk_create(Tag(group=group, name=f"Tag {n}", position=n) for n in range(10))

    def hire(name: str, store: Store, capacity: int = 30_000) -> Staff:
        return Staff.objects.create(
            department=department,
            store=store,
            name=name,
            name_key=name.lower(),
            wecom_userid=name.replace(" ", ""),
            capacity=capacity,
            state_at=since,
        )

    leavers = [hire(f"Leaver {n}", stores[0]) for n in range(LEAVERS)]
    guides = [hire(f"Guide {n}", stores[n % STORES]) for n in range(GUIDES)]
    for n in range(RECEIVERS):
        hire(f"Receiver {n}", stores[0], capacity=200_000)
    manager = hire("Manager", stores[0])
    manager.user = User.objects.create_user("manager")
    manager.save()
    RoleGrant.objects.create(staff=manager, role=Role.ADMINISTRATOR, scope=Scope.COMPANY)
    return [person.pk for person in [*leavers, *guides]]


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    fill()
    sys.exit()
