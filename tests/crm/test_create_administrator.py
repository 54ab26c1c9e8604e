"""The first administrator of a fresh installation."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from contacts.enums import Role, Scope
from contacts.models import Company, Staff, Store, User
from crm.management.commands import create_administrator
from tests.builders import make_staff, make_store

pytestmark = pytest.mark.django_db

GOOD = "plum-blossom-47"


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("create_administrator", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Somebody at a terminal who types these passwords, one after the other."""

    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]  # all that is asked of it

    def at_terminal(*passwords: str) -> None:
        answers = iter(passwords)
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr(create_administrator, "getpass", lambda _prompt: next(answers))

    return at_terminal


def sign_in_with(username: str, password: str) -> Client:
    client = Client()
    client.post(reverse("account_login"), {"login": username, "password": password})
    return client


def test_in_an_empty_installation_there_is_a_company_to_administer_afterwards() -> None:
    password = run("hua", "--name", "华敏", "--generate-password").splitlines()[-1].split()[-1]

    person = Staff.objects.get()
    assert (person.name, person.name_key, person.wecom_userid) == ("华敏", "hua min", None)
    grant = person.roles.get()
    assert (grant.role, grant.scope) == (Role.ADMINISTRATOR, Scope.COMPANY)
    assert (Company.objects.count(), Store.objects.get()) == (1, person.store)
    client = sign_in_with("hua", password)
    for address in ("/", "/staff/", "/campaigns/"):
        assert client.get(address).status_code == 200
    assert not User.objects.get().is_superuser


def test_the_password_is_asked_for_twice(typed: Any) -> None:
    typed(GOOD, GOOD)

    said = run("hua")

    assert GOOD not in said
    assert Staff.objects.get().name == "hua"
    assert sign_in_with("hua", GOOD).get("/").status_code == 200


@pytest.mark.parametrize(
    ("passwords", "why"),
    [((GOOD, "other-words-47"), "differ"), (("123", "123"), "too short"), (("", ""), "too short")],
)
def test_a_bad_password_makes_nobody(typed: Any, passwords: tuple[str, str], why: str) -> None:
    typed(*passwords)

    with pytest.raises(CommandError, match=why):
        run("hua")

    assert not User.objects.exists()
    assert not Company.objects.exists()


def test_what_exists_is_used() -> None:
    store = make_store()

    run("hua", "--generate-password")

    assert Staff.objects.get().store == store
    assert Company.objects.count() == 1


@pytest.mark.parametrize("username", ["HUA", "hua"])
def test_a_name_that_is_taken_is_refused(username: str) -> None:
    User.objects.create_user("hua", password=GOOD)
    make_staff()

    with pytest.raises(CommandError, match="already"):
        run(username, "--generate-password")

    assert User.objects.get(username="hua").check_password(GOOD)
    assert Staff.objects.count() == 1


@pytest.mark.parametrize("username", ["", "a b", "x" * 200, "<b>"])
def test_a_name_that_is_none_is_refused(username: str) -> None:
    with pytest.raises(CommandError):
        run(username, "--generate-password")


def test_without_a_terminal_a_password_has_to_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(CommandError, match="--generate-password"):
        run("hua")
