"""Who gets to a customer's page: those in scope; to everybody else there is nothing there."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.actions.ownership import move_ownership
from contacts.enums import CustomerState, IdentityKind, InteractionKind, OwnershipReason, Role
from contacts.models import CustomerTag, Interaction
from tests.builders import (
    make_customer,
    make_identity,
    make_staff,
    make_store,
    make_tag,
    sign_in,
)

pytestmark = pytest.mark.django_db

READ = ["customer_page", "customer_timeline"]
WRITE = ["customer_interactions", "customer_tags", "customer_consent", "customer_coupons"]
LEAD = ["customer_transfer", "customer_merge", "customer_unmerge"]


@pytest.mark.parametrize("name", READ)
def test_the_owner_sees_the_customer(client: Client, name: str) -> None:
    lin = make_staff("Lin")
    customer = make_customer("Chen", owner=lin)

    assert sign_in(client, lin).get(reverse(name, args=[customer.pk])).status_code == 200


@pytest.mark.parametrize("name", READ + WRITE)
def test_a_guide_of_another_store_finds_nothing(client: Client, name: str) -> None:
    customer = make_customer("Chen", owner=make_staff("Lin"))
    sign_in(client, make_staff("Mei", store=make_store("Xujiahui")))

    answer = client.get if name in READ else client.post

    assert answer(reverse(name, args=[customer.pk])).status_code == 404


@pytest.mark.parametrize("name", READ + WRITE + LEAD)
def test_a_manager_of_another_store_finds_nothing(client: Client, name: str) -> None:
    customer = make_customer("Chen", owner=make_staff("Lin"))
    sign_in(client, make_staff("Wang", role=Role.MANAGER, store=make_store("Xujiahui")))

    answer = client.get if name in READ else client.post

    assert answer(reverse(name, args=[customer.pk])).status_code == 404


@pytest.mark.parametrize("name", READ)
def test_a_colleague_of_the_same_store_finds_nothing(client: Client, name: str) -> None:
    customer = make_customer("Chen", owner=make_staff("Lin"))

    answer = sign_in(client, make_staff("Mei")).get(reverse(name, args=[customer.pk]))

    assert answer.status_code == 404
    assert "Chen" not in answer.text


def test_a_stranger_and_an_id_that_never_was_look_the_same(client: Client) -> None:
    customer = make_customer("Chen", owner=make_staff("Lin"))
    sign_in(client, make_staff("Mei"))

    stranger = client.get(reverse("customer_page", args=[customer.pk]))
    nobody = client.get(reverse("customer_page", args=[customer.pk + 1]))

    assert stranger.status_code == nobody.status_code == 404
    assert "There is nothing here" in stranger.text
    assert "There is nothing here" in nobody.text


def test_a_manager_sees_their_store_and_no_other(client: Client) -> None:
    here, there = make_store("Here"), make_store("There")
    mine = make_customer("Chen", owner=make_staff("Lin", store=here))
    pool = make_customer("Zhao", store=here)
    other = make_customer("Qian", store=there)
    sign_in(client, make_staff("Hua", role=Role.MANAGER, store=here))

    assert client.get(reverse("customer_page", args=[mine.pk])).status_code == 200
    assert client.get(reverse("customer_page", args=[pool.pk])).status_code == 200
    assert client.get(reverse("customer_page", args=[other.pk])).status_code == 404


@pytest.mark.parametrize("state", [CustomerState.ERASED])
def test_a_tombstone_is_not_shown(client: Client, state: CustomerState) -> None:
    gone = make_customer("Chen", state=state)
    sign_in(client, make_staff("Hua", role=Role.MANAGER))

    assert client.get(reverse("customer_page", args=[gone.pk])).status_code == 404


@pytest.mark.parametrize("name", ["today", "customer_list", "preferences"])
def test_visitors_are_sent_to_the_door(client: Client, name: str) -> None:
    make_staff("Lin", account=False)

    answer = client.get(reverse(name))

    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('account_login')}?next={reverse(name)}"


@pytest.mark.parametrize("name", READ + WRITE + LEAD)
def test_visitors_see_no_customer(client: Client, name: str) -> None:
    customer = make_customer("Chen", owner=make_staff("Lin", account=False))

    answer = (client.get if name in READ else client.post)(reverse(name, args=[customer.pk]))

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


def test_a_stranger_changes_nothing(client: Client) -> None:
    customer = make_customer("Chen", owner=make_staff("Lin"))
    tag = make_tag("VIP")
    sign_in(client, make_staff("Mei"))

    said = {"kind": InteractionKind.NOTE, "text": "I was here"}
    client.post(reverse("customer_interactions", args=[customer.pk]), said)
    client.post(reverse("customer_tags", args=[customer.pk]), {"add": tag.pk})

    assert not Interaction.objects.exists()
    assert not CustomerTag.objects.exists()


def test_another_site_changes_nothing() -> None:
    lin = make_staff("Lin")
    customer = make_customer("Chen", owner=lin)
    careful = sign_in(Client(enforce_csrf_checks=True), lin)

    said = {"kind": InteractionKind.NOTE, "text": "I was here"}
    answer = careful.post(reverse("customer_interactions", args=[customer.pk]), said)

    assert answer.status_code == 403
    assert "from an older visit" in answer.text
    assert not Interaction.objects.exists()


def test_phone_numbers_are_whole_for_owner_and_manager_and_masked_for_others(
    client: Client,
) -> None:
    lin = make_staff("Lin")
    customer = make_customer("Chen", owner=lin)
    make_identity(customer, "+8613812345678", kind=IdentityKind.PHONE)
    page = reverse("customer_page", args=[customer.pk])
    marketer = make_staff("Zhou", role=Role.MARKETER)

    for insider in (lin, make_staff("Hua", role=Role.MANAGER)):
        assert "tel:+8613812345678" in sign_in(client, insider).get(page).text
    shown = sign_in(client, marketer).get(page).text
    assert "+86138****5678" in shown
    assert "13812345678" not in shown


def test_pages_of_people_are_not_kept_by_the_browser(client: Client) -> None:
    lin = make_staff("Lin")
    customer = make_customer("Chen", owner=lin)

    answer = sign_in(client, lin).get(reverse("customer_page", args=[customer.pk]))

    assert answer["Cache-Control"] == "private, no-store"


def test_the_pages_are_free_of_inline_code_and_style(client: Client) -> None:
    lin = make_staff("Lin")
    customer = make_customer(
        "<img src=x onerror=alert(1)>", owner=lin, note="<script>alert(1)</script>"
    )
    sign_in(client, lin)

    for address in ("/", "/customers/", f"/customers/{customer.pk}/", "/me/"):
        answer = client.get(address)
        assert "unsafe" not in answer["Content-Security-Policy"]
        for forbidden in ("<img", "style=", "<script>", "<style", "onclick", "javascript:"):
            assert forbidden not in answer.text, address


def test_a_customer_who_moved_on_is_out_of_the_old_guides_sight(client: Client) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    customer = make_customer("Chen", owner=lin)
    sign_in(client, lin)
    assert client.get(reverse("customer_page", args=[customer.pk])).status_code == 200

    move_ownership([(customer.pk, mei.pk)], reason=OwnershipReason.TRANSFER, now=timezone.now())

    assert client.get(reverse("customer_page", args=[customer.pk])).status_code == 404
