"""The demo company in the database: loading it once, and finding it again."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import QuerySet

from campaigns.models import Content, Segment
from contacts.models import Company, ContactCode, Customer, Staff
from crm.demo import cast
from crm.demo.chats import load_chats
from crm.demo.customers import load_customers
from crm.demo.messages import CAMPAIGN_CONTENT, CAMPAIGN_SEGMENT, CODE_STATES, load_messages
from crm.demo.organisation import PasswordFor, load_organisation
from crm.demo.people import invent
from crm.demo.shopping import load_shopping
from crm.demo.showing import load_showing

Row = TypeVar("Row", Content, Segment)

_LOCK = 7_202_611
"""Key of the advisory lock under which the company is loaded."""


class NotADemo(Exception):
    """The database belongs to a real company; the demo keeps its hands off."""


@dataclass(frozen=True)
class DemoCompany:
    """What the story needs of the demo company."""

    leaver: Staff
    receivers: list[Staff]
    manager: Staff
    marketer: Staff
    content: Content
    segment: Segment
    code: ContactCode


def load_company(now: datetime, password_for: PasswordFor) -> DemoCompany:
    """Load the demo company unless it is there, and return it.

    All or nothing: an interrupted load leaves an empty database. Of two loads at the same time
    the second waits and finds the work of the first. Raises ``NotADemo`` for a database that
    already holds somebody else's company or customers.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        company = Company.objects.first()
        if company is None and not Customer.objects.exists():
            people = invent(now)
            organisation = load_organisation(now=now, password_for=password_for)
            rows = load_customers(people, organisation, now=now)
            load_chats(organisation, now=now)
            load_messages(rows, people, organisation, now=now)
            load_shopping(rows, people, organisation, now=now)
            load_showing(organisation, now=now)
            with connection.cursor() as cursor:
                # Whoever counts a segment now should not wait for the database to look by itself.
                cursor.execute("ANALYZE")
        elif company is None or not company.is_demo:
            raise NotADemo(
                "This database belongs to a real company, so the demo was not loaded. "
                "Give the demo a folder of its own with LIUKE_DATA_DIR."
            )
    return find_company()


def find_company() -> DemoCompany:
    """Return the demo company that was loaded before."""
    staff = {person.wecom_userid: person for person in Staff.objects.select_related("store")}
    accounts = {post.login: staff[post.userid] for post in cast.POSTS}
    return DemoCompany(
        leaver=staff[cast.LEAVER],
        receivers=[staff[userid] for userid in cast.RECEIVERS],
        manager=accounts["manager"],
        marketer=accounts["marketer"],
        content=_named(Content.objects.order_by("pk"), CAMPAIGN_CONTENT),
        segment=_named(Segment.objects.order_by("pk"), CAMPAIGN_SEGMENT),
        code=ContactCode.objects.get(state=CODE_STATES["SH01"]),
    )


def _named(rows: QuerySet[Row], name: str) -> Row:
    """Return the oldest of this name; of any, if a visitor has renamed it."""
    return rows.filter(name=name).first() or rows[0]
