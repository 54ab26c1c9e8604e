"""Signing in, entering the demo, and accounts that belong to nobody."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation
from pytest_django import Settings

from contacts.enums import Role
from contacts.models import Company, User
from tests.builders import make_company, make_departed, make_staff, sign_in

pytestmark = pytest.mark.django_db

PERSONAS = {
    "guide": Role.GUIDE,
    "manager": Role.MANAGER,
    "marketer": Role.MARKETER,
    "admin": Role.ADMINISTRATOR,
}


def make_personas() -> None:
    for username, role in PERSONAS.items():
        User.objects.filter(staff=make_staff(username.title(), role=role)).update(username=username)


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


@pytest.fixture
def demo(settings: Settings) -> None:
    settings.LIUKE_DEMO = True
    make_company(is_demo=True)
    make_personas()


def test_the_password_lets_a_person_in(client: Client) -> None:
    staff = make_staff("Lin")
    assert staff.user
    staff.user.set_password("a long enough one")
    staff.user.save()
    way_in = reverse("account_login")

    wrong = client.post(way_in, {"login": staff.user.username, "password": "not that one"})
    assert wrong.status_code == 200
    assert not is_signed_in(client)

    right = client.post(way_in, {"login": staff.user.username, "password": "a long enough one"})
    assert (right.status_code, right["Location"]) == (302, reverse("today"))
    assert is_signed_in(client)


def test_the_e_mail_address_does_as_well(client: Client) -> None:
    staff = make_staff("Lin")
    assert staff.user
    staff.user.email = "lin@example.com"
    staff.user.set_password("a long enough one")
    staff.user.save()

    client.post(
        reverse("account_login"), {"login": "lin@example.com", "password": "a long enough one"}
    )

    assert is_signed_in(client)


def test_somebody_who_has_left_stays_outside(client: Client) -> None:
    wei = make_departed("Wei")
    assert wei.user
    wei.user.set_password("a long enough one")
    wei.user.save()

    client.post(
        reverse("account_login"), {"login": wei.user.username, "password": "a long enough one"}
    )

    assert not is_signed_in(client)


def test_nobody_signs_up(client: Client) -> None:
    answer = client.post(
        reverse("account_signup"),
        {
            "username": "stranger",
            "password1": "a long enough one",
            "password2": "a long enough one",
        },
    )

    assert answer.status_code == 200
    assert not User.objects.exists()


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("persona", PERSONAS)
def test_the_demo_is_entered_with_one_click(client: Client, persona: str) -> None:
    assert reverse("demo_enter", args=[persona]) in client.get(reverse("account_login")).text

    answer = client.post(reverse("demo_enter", args=[persona]))

    assert (answer.status_code, answer["Location"]) == (302, reverse("today"))
    assert client.get(reverse("today")).status_code == 200
    assert client.get(reverse("today")).wsgi_request.user.username == persona


@pytest.mark.usefixtures("demo")
def test_a_link_does_not_enter_the_demo(client: Client) -> None:
    assert client.get(reverse("demo_enter", args=["guide"])).status_code == 405
    assert not is_signed_in(client)


@pytest.mark.usefixtures("demo")
def test_another_site_cannot_enter_the_demo() -> None:
    careful = Client(enforce_csrf_checks=True)

    assert careful.post(reverse("demo_enter", args=["guide"])).status_code == 403
    assert not is_signed_in(careful)


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("persona", ["lin", "root", "guide2"])
def test_only_the_four_people_of_the_demo_are_open(client: Client, persona: str) -> None:
    User.objects.filter(staff=make_staff("Lin")).update(username="lin")

    assert client.post(reverse("demo_enter", args=[persona])).status_code == 404
    assert not is_signed_in(client)


@pytest.mark.parametrize(("runs_as_demo", "company_is_demo"), [(True, False), (False, True)])
def test_half_a_demo_is_none(
    client: Client, settings: Settings, *, runs_as_demo: bool, company_is_demo: bool
) -> None:
    settings.LIUKE_DEMO = runs_as_demo
    make_company(is_demo=company_is_demo)
    make_personas()

    assert "/demo/enter/" not in client.get(reverse("account_login")).text
    for persona in PERSONAS:
        assert client.post(reverse("demo_enter", args=[persona])).status_code == 404
        assert client.get(reverse("demo_enter", args=[persona])).status_code == 404
    assert not is_signed_in(client)


@pytest.mark.usefixtures("demo")
def test_the_demo_ends_with_the_company_turning_real(client: Client) -> None:
    Company.objects.update(is_demo=False)

    assert client.post(reverse("demo_enter", args=["guide"])).status_code == 404


def test_an_account_of_nobody_gets_a_clear_page(client: Client) -> None:
    make_staff("Lin", account=False)
    client.force_login(
        User.objects.create_user("nobody"), backend="django.contrib.auth.backends.ModelBackend"
    )

    answer = client.get(reverse("today"))

    assert answer.status_code == 403
    assert "belongs to nobody at work here" in answer.text
    assert reverse("account_logout") in answer.text
    assert reverse("customer_list") not in answer.text


def test_the_language_is_switched_and_kept(client: Client) -> None:
    sign_in(client, make_staff("Lin"))

    with translation.override("en"):  # the request switches this thread to Chinese
        client.post(reverse("set_language"), {"language": "zh-hans", "next": "/"})
        page = client.get(reverse("today")).text

    assert '<html lang="zh-hans"' in page


def test_me_says_who_one_is(client: Client) -> None:
    sign_in(client, make_staff("Hua", role=Role.MANAGER))

    answer = client.get(reverse("preferences"))

    assert answer.status_code == 200
    assert "Manager" in answer.text
    assert "own store(s)" in answer.text


@pytest.mark.parametrize(
    "name",
    [
        "account_login",
        "account_reset_password",
        "account_reset_password_done",
        "account_signup",
        "account_reset_password_from_key_done",
    ],
)
def test_the_pages_before_the_door_are_in_our_frame(client: Client, name: str) -> None:
    page = client.get(reverse(name)).text

    assert '<main id="main"' in page
    assert "style=" not in page


@pytest.mark.parametrize(
    "name",
    [
        "account_change_password",
        "account_email",
        "mfa_index",
        "usersessions_list",
        "account_logout",
    ],
)
def test_the_pages_of_the_own_account_are_in_our_frame(client: Client, name: str) -> None:
    staff = sign_in_with_password(client)

    page = client.get(reverse(name)).text

    assert '<main id="main"' in page
    assert staff in page
    assert "style=" not in page


def sign_in_with_password(client: Client) -> str:
    staff = make_staff("Lin")
    assert staff.user
    staff.user.set_password("a long enough one")
    staff.user.save()
    client.post(
        reverse("account_login"),
        {"login": staff.user.username, "password": "a long enough one"},
    )
    return staff.name
