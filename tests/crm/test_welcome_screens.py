"""Welcomes on pages and by the API: who may say what people are greeted with, and with which files."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from campaigns.actions.welcome_rules import set_welcome
from campaigns.enums import WelcomeState
from campaigns.models import MediaFile, Welcome, WelcomeRule
from connectors.wecom.api.attachments import MAX_TEXT_BYTES
from contacts.enums import CustomerState, Role, Scope
from contacts.models import ContactCode, Customer, RoleGrant, Staff
from tests.builders import (
    make_code,
    make_customer,
    make_media,
    make_staff,
    make_store,
    make_welcome,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

LINK = {"kind": "link", "title": "Coats", "url": "https://shop.example/coats"}


@pytest.fixture
def tao() -> Staff:
    """A marketer of the whole company."""
    return make_staff("Tao", role=Role.MARKETER)


def new(client: Client, **typed: Any) -> Any:
    return client.post(reverse("welcome_new"), {"go": "save"} | typed)


def rule(text: str = "Welcome", **level: Any) -> WelcomeRule:
    return set_welcome(text=text, actor=None, now=timezone.now(), **level)


def a_picture() -> SimpleUploadedFile:
    written = BytesIO()
    Image.new("RGB", (40, 30), "red").save(written, "JPEG")
    return SimpleUploadedFile("coat.jpg", written.getvalue())


def local_marketer(store: Any = None) -> Staff:
    """A marketer of one store only."""
    person = make_staff("Mei", role=Role.MARKETER, store=store or make_store("Xujiahui"))
    RoleGrant.objects.filter(staff=person).update(scope=Scope.STORE)
    return person


# --- pages --------------------------------------------------------------------------------------


def test_welcome_of_the_company_is_written_changed_and_taken_away(
    client: Client, tao: Staff
) -> None:
    sign_in(client, tao)
    answer = new(client, level="company", text="Welcome, {customer}!\r\nYours")
    assert answer.status_code == 302
    first = WelcomeRule.objects.select_related("content").get()
    assert first.content.text == "Welcome, {customer}!\nYours"
    assert "Welcome, {customer}!" in client.get(reverse("welcome_list")).content.decode()

    page = reverse("welcome_edit", args=[first.pk])
    assert "Welcome, {customer}!" in client.get(page).content.decode()
    changed = {"go": "save", "text": "Hello", "seen": first.content_id}
    assert client.post(page, changed).status_code == 302
    first.refresh_from_db()
    assert first.content.text == "Hello"

    assert client.post(reverse("welcome_drop", args=[first.pk])).status_code == 302
    assert not WelcomeRule.objects.exists()


def test_a_file_that_was_chosen_and_not_uploaded_goes_with_the_welcome(
    client: Client, tao: Staff
) -> None:
    sign_in(client, tao)

    assert new(client, level="company", text="Welcome", new_file=a_picture()).status_code == 302

    kept = WelcomeRule.objects.select_related("content").get().content
    assert kept.attachments == [{"kind": "image", "media": MediaFile.objects.get().pk}]


def test_attachments_are_uploaded_and_taken_away_while_it_is_written(
    client: Client, tao: Staff
) -> None:
    sign_in(client, tao)
    typed = {"level": "company", "text": "Welcome"}
    answer = client.post(
        reverse("welcome_new"), typed | {"go": "attach-new", "new_file": a_picture()}
    )
    media = MediaFile.objects.get()
    assert media.name in answer.content.decode()
    assert "Welcome" in answer.content.decode()
    assert not WelcomeRule.objects.exists()
    inputs = {name: ["", ""] for name in ("att_text", "att_app_id", "att_page")} | {
        "att_kind": ["image", "link"],
        "att_media": [str(media.pk), ""],
        "att_title": ["", "Coats"],
        "att_url": ["", "https://shop.example/coats"],
    }

    gone = client.post(reverse("welcome_new"), typed | inputs | {"go": "detach-1"})
    assert 'name="att_kind" value="image"' not in gone.content.decode()
    assert new(client, **typed, **inputs).status_code == 302

    kept = WelcomeRule.objects.select_related("content").get()
    assert kept.content.attachments == [{"kind": "image", "media": media.pk}, LINK]
    assert kept.files_due_at is not None


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"text": ""}, "Write what is said"),
        ({"text": "欢" * 1400}, "4000 bytes"),
        ({"text": "Hi", "att_kind": ["link"], "att_title": ["Coats"]}, "needs a title and an address"),
        ({"text": "Hi", "att_kind": ["image"]}, "needs a file"),
        ({"text": "Hi", "level": "store-999"}, "Select a valid choice"),
        ({"text": "Hi", "level": ""}, "required"),
        ({"text": "Hi", "seen": "x"}, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_lost(
    client: Client, tao: Staff, typed: dict[str, Any], words: str
) -> None:
    sign_in(client, tao)
    answer = new(client, **({"level": "company"} | typed))

    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert typed["text"] in answer.content.decode()
    assert not WelcomeRule.objects.exists()


def test_bytes_are_counted_as_they_are_typed(client: Client, tao: Staff) -> None:
    sign_in(client, tao)

    page = client.get(reverse("welcome_new")).content.decode()

    assert f'data-bytes-for="id_text" data-bytes-limit="{MAX_TEXT_BYTES}"' in page
    assert "js/byte-counter" in page


def test_files_without_words_are_refused(client: Client, tao: Staff) -> None:
    sign_in(client, tao)
    answer = new(
        client, level="company", text=" ", att_kind=["image"], att_media=[str(make_media().pk)]
    )

    assert answer.status_code == 400
    assert "goes alone" in answer.content.decode()


def test_of_two_who_change_it_the_second_is_told(client: Client, tao: Staff) -> None:
    first = rule()
    old = first.content_id
    set_welcome(text="Two", seen=first.content, actor=None, now=timezone.now())
    sign_in(client, tao)

    page = reverse("welcome_edit", args=[first.pk])
    answer = client.post(page, {"go": "save", "text": "Three", "seen": old})

    assert answer.status_code == 409
    assert "Three" in answer.content.decode()
    assert WelcomeRule.objects.get().content.text == "Two"


def test_what_has_a_welcome_is_not_offered_again(client: Client, tao: Staff) -> None:
    sign_in(client, tao)
    code = make_code("Door")
    assert f"code-{code.pk}" in client.get(reverse("welcome_new")).content.decode()
    rule(contact_code=code)
    rule()

    page = client.get(reverse("welcome_new")).content.decode()

    assert f"code-{code.pk}" not in page
    assert 'value="company"' not in page
    assert new(client, level="company", text="Again").status_code == 400


def test_page_says_when_files_cannot_be_brought(client: Client, tao: Staff) -> None:
    one = rule(attachments=[{"kind": "image", "media": make_media().pk}])
    WelcomeRule.objects.update(files_error="WeCom <b>will not</b>")
    sign_in(client, tao)

    for page in (reverse("welcome_list"), reverse("welcome_edit", args=[one.pk])):
        assert "WeCom &lt;b&gt;will not" in client.get(page).content.decode()


def test_list_says_how_many_went_without_their_files(client: Client, tao: Staff) -> None:
    now = timezone.now()
    for n, left_out in enumerate((0, 1)):
        Welcome.objects.create(
            staff=tao, customer=make_customer(f"C{n}"), code_digest=str(n), state=WelcomeState.SENT,
            left_out=left_out, issued_at=now, received_at=now, deadline_at=now, settled_at=now,
        )  # fmt: skip
    sign_in(client, tao)

    page = client.get(reverse("welcome_list")).content.decode()

    assert "2 new contacts could be greeted" in page
    assert "1 of them went without a file" in page


def without_files(staff: Staff, customer: Customer, **fields: Any) -> Welcome:
    """A welcome of this minute that went without a file."""
    now = timezone.now()
    values = {"state": WelcomeState.SENT, "left_out": 1, "settled_at": now}
    return make_welcome(staff, customer, issued_at=now, **values | fields)


def test_whoever_was_greeted_without_a_file_is_listed_with_the_reason(
    client: Client, tao: Staff
) -> None:
    sign_in(client, tao)
    chen = make_customer("Chen")
    make_customer("Old", state=CustomerState.MERGED, merged_into=chen)
    without_files(tao, chen, left_out_why="not_ready")
    without_files(tao, Customer.objects.get(name="Old"), left_out=2, left_out_why="forgotten")
    without_files(tao, make_customer("Whole"), left_out=0)
    without_files(tao, make_customer("Lost"), state=WelcomeState.FAILED)
    old = without_files(tao, make_customer("Long ago"))
    Welcome.objects.filter(pk=old.pk).update(received_at=timezone.now() - timedelta(days=8))
    address = reverse("welcome_without_files")

    page = client.get(address).content.decode()

    assert page.count(f'href="/customers/{chen.pk}/"') == 2
    assert "Not at WeCom in time" in page
    assert "WeCom had lost it" in page
    assert "2 files missing" in page
    for name in ("Old", "Whole", "Lost", "Long ago"):
        assert f">{name}<" not in page
    assert address in client.get(reverse("welcome_list")).content.decode()


def test_list_of_those_without_a_file_says_when_there_are_none(client: Client, tao: Staff) -> None:
    sign_in(client, tao)

    page = client.get(reverse("welcome_without_files")).content.decode()

    assert "Nobody was greeted without a file" in page


def test_pages_of_those_without_a_file_go_through_all_once(client: Client, tao: Staff) -> None:
    sign_in(client, tao)
    page = reverse("welcome_without_files")
    for n in range(3):
        without_files(tao, make_customer(f"C{n}"))
    few = queries_for(client, page)
    for n in range(3, 60):
        without_files(tao, make_customer(f"C{n}"))
    assert queries_for(client, page) == few

    first = client.get(page).context
    second = client.get(page, {"after": first["last"].pk}).context
    seen = [row.customer.name for row in (*first["rows"], *second["rows"])]
    assert seen == [f"C{n}" for n in reversed(range(60))]
    assert second["last"] is None


def test_those_without_a_file_are_seen_within_the_scope_alone(client: Client) -> None:
    here, there = make_store("Xujiahui"), make_store("Jingan")
    lin, mei = make_staff("Lin", store=here), make_staff("Mei", store=there)
    without_files(lin, make_customer("Chen", owner=lin))
    without_files(mei, make_customer("Zhao", owner=mei))
    without_files(lin, make_customer("Moved", owner=mei))
    page = reverse("welcome_without_files")

    sign_in(client, local_marketer(here))
    shown = client.get(page)
    assert [row.customer.name for row in shown.context["rows"]] == ["Chen"]
    assert "Zhao" not in shown.content.decode()

    sign_in(client, lin)
    assert client.get(page).status_code == 403


# --- who may ------------------------------------------------------------------------------------


def test_guides_see_nothing_and_managers_change_nothing(client: Client) -> None:
    one = rule(store=make_staff("Lin").store)
    pages = [
        reverse("welcome_list"),
        reverse("welcome_edit", args=[one.pk]),
        reverse("welcome_new"),
    ]
    sign_in(client, make_staff("Gu"))
    assert [client.get(page).status_code for page in pages] == [403, 403, 403]

    sign_in(client, make_staff("Wang", role=Role.MANAGER))
    assert [client.get(page).status_code for page in pages] == [200, 403, 403]
    assert client.post(reverse("welcome_drop", args=[one.pk])).status_code == 403
    assert new(client, level="company", text="Mine").status_code == 403
    assert WelcomeRule.objects.get().content.text == "Welcome"


def test_marketer_of_one_store_reaches_that_store_alone(client: Client) -> None:
    here, there = make_store("Xujiahui"), make_store("Jingan")
    theirs, everybodys, own = rule(store=there), rule(), rule(store=here, text="Ours")
    sign_in(client, local_marketer(here))

    page = client.get(reverse("welcome_list")).content.decode()
    assert "Ours" in page
    assert "Jingan" not in page
    for one in (theirs, everybodys):
        assert client.get(reverse("welcome_edit", args=[one.pk])).status_code == 404
        assert client.post(reverse("welcome_drop", args=[one.pk])).status_code == 404
    assert client.get(reverse("welcome_edit", args=[own.pk])).status_code == 200
    for level in ("company", f"code-{make_code(store=there).pk}"):
        assert new(client, level=level, text="Mine").status_code == 400
    assert WelcomeRule.objects.count() == 3


def test_list_asks_as_often_for_many_rows_as_for_few(client: Client, tao: Staff) -> None:
    sign_in(client, tao)
    client.get(reverse("welcome_list"))
    counts = []
    for rows in (3, 37):
        for _row in range(rows):
            rule(contact_code=make_code())
            without_files(tao, make_customer())
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("welcome_list"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_pages_of_welcomes(client: Client, tao: Staff) -> None:
    sign_in(client, tao)
    for n in range(51):
        rule(contact_code=make_code(f"Door {n}"))
    first = client.get(reverse("welcome_list"))
    last = first.context["last"]

    assert "Door 0," not in first.content.decode()
    assert "Door 0," in client.get(reverse("welcome_list"), {"after": last.pk}).content.decode()
    assert client.get(reverse("welcome_list"), {"after": "x" * 99}).status_code == 200


def test_code_with_a_welcome_is_named_by_its_store(client: Client, tao: Staff) -> None:
    sign_in(client, tao)
    code = make_code("Door")
    rule(contact_code=code)

    page = client.get(reverse("welcome_list")).content.decode()

    assert f"Contact code Door, {ContactCode.objects.get().store.name}" in page


def test_the_navigation_shows_that_welcomes_stand_beside_campaigns(client, tao):
    page = sign_in(client, tao).get(reverse("welcome_list")).text

    assert 'class="nav-item" href="/campaigns/" aria-current="page"' in page
