"""The bell, the list of notices, and what each of them says."""

import pytest
from django.test import Client
from django.urls import reverse

from contacts.actions.notices import notify
from contacts.enums import NoticeKind, NoticeRhythm, Role
from contacts.models import Notice, Staff
from contacts.notice_words import sentence
from tests.builders import (
    NOON,
    make_customer,
    make_handover,
    make_loss,
    make_staff,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


def tell(staff: Staff, number: int = 1, kind: NoticeKind = NoticeKind.FROM_POOL, **fields):
    """Tell this person so many things."""
    first = Notice.objects.count()
    for index in range(first, first + number):
        notify([staff.pk], kind, key=f"key{index}", now=NOON, **fields)
    return Notice.objects.filter(staff=staff).order_by("pk")


def test_the_bell_counts_what_was_not_read_on_every_page(client: Client):
    lin = make_staff("Lin")
    sign_in(client, lin)
    assert "bell-count" not in client.get(reverse("today")).text

    tell(lin, 2)

    assert '<span class="bell-count">2<' in client.get(reverse("customer_list")).text


def test_the_bell_stops_counting_at_ninety_nine(client: Client):
    lin = make_staff("Lin")
    tell(lin, 100)

    assert '<span class="bell-count">99+<' in sign_in(client, lin).get(reverse("today")).text


def test_the_list_takes_the_same_queries_for_one_and_for_many(client: Client):
    lin = make_staff("Lin")
    sign_in(client, lin)
    about = {"customer": make_customer(owner=lin), "about": lin}
    tell(lin, 1, NoticeKind.CUSTOMER_LOST, **about)
    one = queries_for(client, reverse("notice_list"))
    tell(lin, 28, NoticeKind.CUSTOMER_LOST, **about)

    assert queries_for(client, reverse("notice_list")) == one


def test_opening_a_notice_marks_it_as_read_and_leads_to_what_it_is_about(client: Client):
    lin = make_staff("Lin")
    chen = make_customer(owner=lin)
    notice = tell(lin, 1, NoticeKind.CUSTOMER_LOST, customer=chen, about=lin).get()

    answer = sign_in(client, lin).post(reverse("notice_open", args=[notice.pk]))

    assert answer["Location"] == reverse("customer_page", args=[chen.pk])
    notice.refresh_from_db()
    assert notice.read_at


def test_an_unusual_export_leads_to_the_warnings_and_not_to_losses(client: Client):
    hua, lin = make_staff("Hua", role=Role.MANAGER), make_staff("Lin")
    sign_in(client, hua)
    (export,) = tell(hua, 1, NoticeKind.UNUSUAL, about=lin, data={"what": "exports"})
    (removal,) = tell(hua, 1, NoticeKind.UNUSUAL, about=lin, data={"what": "removals"}).exclude(
        pk=export.pk
    )

    assert client.post(reverse("notice_open", args=[export.pk]))["Location"] == reverse(
        "warning_list"
    )
    assert (
        reverse("loss_list") in client.post(reverse("notice_open", args=[removal.pk]))["Location"]
    )


def test_a_manager_is_led_to_the_loss_or_the_handover(client: Client):
    hua, loss = make_staff("Hua", role=Role.MANAGER), make_loss()
    handover = make_handover()
    lost = {"customer": loss.customer, "about": loss.staff, "data": {"loss": loss.pk}}
    first = tell(hua, 1, NoticeKind.CUSTOMER_LOST, **lost).last()
    second = tell(hua, 1, NoticeKind.NEEDS_DECISION, handover=handover).last()
    sign_in(client, hua)

    to_loss = client.post(reverse("notice_open", args=[first.pk]))
    to_handover = client.post(reverse("notice_open", args=[second.pk]))

    assert to_loss["Location"] == reverse("loss_page", args=[loss.pk])
    assert to_handover["Location"] == reverse("handover_page", args=[handover.pk])


def test_nobody_opens_or_reads_the_notices_of_others(client: Client):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    notice = tell(lin).get()
    sign_in(client, mei)

    assert client.post(reverse("notice_open", args=[notice.pk])).status_code == 404
    client.post(reverse("notices_read"))

    notice.refresh_from_db()
    assert notice.read_at is None


def test_all_are_marked_as_read_at_once(client: Client):
    lin = make_staff("Lin")
    tell(lin, 3)

    sign_in(client, lin).post(reverse("notices_read"))

    assert not Notice.objects.filter(read_at=None).exists()


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_notice_is_one_sentence_even_when_little_is_known(kind: NoticeKind):
    lin = make_staff("Lin")
    said = {sentence(tell(lin, 1, kind, data=data).last()) for data in ({}, {"customers": 2})}

    assert all(words.endswith((".", "!")) and "None" not in words for words in said)


def test_the_rhythm_is_chosen_under_me(client: Client):
    lin = make_staff("Lin")
    sign_in(client, lin)

    client.post(reverse("rhythm"), {"rhythm": "daily"})
    client.post(reverse("rhythm"), {"rhythm": "hourly"})

    lin.refresh_from_db()
    assert lin.notice_rhythm == NoticeRhythm.DAILY
    assert "checked" in client.get(reverse("preferences")).text
