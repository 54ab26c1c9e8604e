"""Static lists on screen: from pasted numbers or a file, and from a segment as it is now."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from campaigns.actions.segments import create_list
from campaigns.models import Segment, SegmentMember
from contacts.enums import IdentityKind, Role, Scope
from contacts.models import Staff
from crm.forms.rule_tree import is_sound, read_tree, rule_of
from tests.builders import (
    first_store,
    make_customer,
    make_identity,
    make_segment,
    make_staff,
    make_store,
    sign_in,
)
from tests.segment_inputs import condition, inputs

pytestmark = pytest.mark.django_db

LISTS = "/segments/lists/new/"
LONDON = {"field": "city", "op": "is", "value": "London"}


def test_a_list_is_made_of_ids_and_numbers(marketer: Client, yan: Staff):
    chen, zhao = make_customer("Chen"), make_customer("Zhao")
    make_identity(chen, "+8613800000001", kind=IdentityKind.PHONE)
    pasted = f"138 0000 0001\n{zhao.pk}\n\n{chen.pk}\n+8613900000000\nnobody\n138****0001\n"

    response = marketer.post(LISTS, {"name": "Guests", "pasted": pasted})

    segment = Segment.objects.get()
    assert (segment.name, segment.is_static, segment.shared) == ("Guests", True, False)
    members = SegmentMember.objects.filter(segment=segment).values_list("customer_id", flat=True)
    assert set(members) == {chen.pk, zhao.pk}
    assert response.context["added"] == 2
    assert "2 customers" in marketer.get("/segments/").text
    assert [(row.number, row.why) for row in response.context["left_out"]] == [
        (4, "An earlier row is about the same customer."),
        (5, "You see no customer of this id or number."),
        (6, "This is neither an id nor a phone number."),
        (7, "The number is masked: give it in full, or the id."),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Customer,Phone,Id\nChen,138****0001,{pk}\n",
        "客户编号\n{pk}\n",
        "{pk}\n",
        "id;phone\n;13800000001\n",
    ],
)
def test_a_file_is_read_by_its_heading(marketer: Client, content: str):
    chen = make_customer("Chen")
    make_identity(chen, "+8613800000001", kind=IdentityKind.PHONE)
    file = SimpleUploadedFile("guests.csv", content.format(pk=chen.pk).encode())

    response = marketer.post(LISTS, {"name": "Guests", "file": file})

    assert (response.status_code, response.context["left_out"]) == (200, [])
    assert SegmentMember.objects.get().customer_id == chen.pk


@pytest.mark.parametrize("heading", ["phone", "手机号"])
def test_a_short_number_under_a_heading_of_phones_is_nobodys_id(marketer: Client, heading: str):
    chen, zhao = make_customer("Chen"), make_customer("Zhao")
    make_identity(chen, "+8613800000001", kind=IdentityKind.PHONE)
    rows = f"name,{heading}\nZhang,{zhao.pk}\nChen,13800000001\n"
    file = SimpleUploadedFile("guests.csv", rows.encode())

    response = marketer.post(LISTS, {"name": "Guests", "file": file})

    assert [row.number for row in response.context["left_out"]] == [2]
    assert SegmentMember.objects.get().customer_id == chen.pk


def test_who_is_out_of_scope_is_not_told_from_nobody(client: Client):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=first_store())
    there = make_customer("Zhao", store=make_store("Xujiahui"))
    make_identity(there, "+8613800000001", kind=IdentityKind.PHONE)
    sign_in(client, yu)

    pasted = f"13800000001\n13800000002\n{there.pk}\n{there.pk + 1}"
    response = client.post(LISTS, {"name": "Guests", "pasted": pasted})

    assert response.status_code == 400
    whys = {row.why for row in response.context["left_out"]}
    assert whys == {"You see no customer of this id or number."}
    assert not Segment.objects.exists()


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": "", "pasted": "1"}, "name"),
        ({"name": "Guests"}, "pasted"),
        ({"name": "Guests", "file": b"\0\0"}, "file"),
        ({"name": "Guests", "pasted": "\n".join(["1"] * 20_001)}, "pasted"),
    ],
)
def test_what_is_wrong_with_a_list_stands_at_its_field(
    marketer: Client, typed: dict[str, Any], field: str
):
    if content := typed.get("file"):
        typed = typed | {"file": SimpleUploadedFile("x.csv", content)}

    response = marketer.post(LISTS, typed)

    assert response.status_code == 400
    assert list(response.context["form"].errors) == [field]
    assert not Segment.objects.exists()


def test_customers_are_added_and_taken_off(marketer: Client, yan: Staff):
    chen, zhao = make_customer("Chen"), make_customer("Zhao")
    segment = create_list(name="Guests", customers=[chen.pk], actor=yan, now=timezone.now())
    address = f"/segments/{segment.pk}/members/"

    response = marketer.post(address, {"pasted": f"{chen.pk}\n{zhao.pk}"})
    assert (response.context["added"], response.context["already"]) == (1, 1)

    marketer.post(f"{address}remove/", {"customer": chen.pk})
    assert SegmentMember.objects.get(segment=segment).customer_id == zhao.pk
    assert marketer.post(f"{address}remove/", {"customer": "²"}).status_code == 404


def test_a_rule_has_no_customers_to_add(marketer: Client, yan: Staff):
    segment = make_segment(created_by=yan)

    assert marketer.get(f"/segments/{segment.pk}/members/").status_code == 404


def test_a_static_list_changes_its_name_only(marketer: Client, yan: Staff):
    segment = create_list(name="Guests", customers=[], actor=yan, now=timezone.now())
    edit = f"/segments/{segment.pk}/edit/"
    page = marketer.get(edit)
    assert 'id="builder"' not in page.text

    typed = inputs(condition(1, "city", "is", "x"), name="Renamed", base=page.context["bench"].base)
    assert marketer.post(edit, typed | {"go": "save"}).status_code == 302
    segment.refresh_from_db()
    assert segment.name == "Renamed"
    assert json.dumps(segment.rule).count("list") == 1


def test_rule_of_reads_what_read_tree_read(rf: Any):
    data = rf.post("/", inputs(condition(1, "city", "is", "London"), j0="not_all")).POST
    tree = read_tree(data)

    assert rule_of(tree) == {"not": {"all": [LONDON]}}
    assert is_sound(tree)


def test_a_list_without_a_name_is_asked_for_one(marketer: Client) -> None:
    answer = marketer.post("/segments/lists/new/", {"name": "", "pasted": "12345"})

    assert answer.status_code == 400
    assert "Give the list a name." in answer.text
    assert "12345" in answer.text
