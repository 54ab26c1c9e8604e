"""Waiting in the story: a look that meets a lock is no end of the demo."""

import io
from datetime import timedelta

import psycopg
import pytest
from django.db import OperationalError, connection

from contacts.models import Staff
from crm.demo.company import DemoCompany
from crm.demo.stage import Stage
from crm.demo.terminal import Terminal
from tests.builders import make_staff

NOBODY = DemoCompany.__new__(DemoCompany)  # no look here asks for the company


@pytest.mark.django_db(transaction=True)
def test_a_look_that_meets_a_lock_looks_again() -> None:
    lin = make_staff("Lin")
    other = psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None})
    other.execute("SELECT 1 FROM contacts_staff WHERE id = %s FOR UPDATE", [lin.pk])

    def look() -> tuple[bool, str]:
        Staff.objects.filter(pk=lin.pk).update(name="Lin Mei")
        return True, "renamed"

    def let_go(_seconds: float) -> bool:
        other.rollback()
        return False

    stage = Stage(NOBODY, Terminal(io.StringIO()), None, let_go)
    with other, connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
        try:
            done = stage.wait(look, at_most=timedelta(seconds=30))
        finally:
            cursor.execute("RESET lock_timeout")

    lin.refresh_from_db()
    assert done
    assert lin.name == "Lin Mei"


@pytest.mark.django_db
def test_any_other_trouble_of_the_database_is_not_hidden() -> None:
    def look() -> tuple[bool, str]:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '50ms'; SELECT pg_sleep(5)")
        return True, ""

    stage = Stage(NOBODY, Terminal(io.StringIO()), None, lambda _seconds: False)
    with pytest.raises(OperationalError):
        stage.wait(look, at_most=timedelta(seconds=30))
