"""The library, the files and the preview, as a marketer uses them."""

from re import findall
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from campaigns.channels import LABELS, abilities_of, available_channels
from campaigns.models import Campaign, CampaignDraft, Content, MediaFile
from contacts.enums import Role, Scope
from contacts.models import HistoryEntry
from tests.builders import (
    PIXEL,
    fill_the_shop,
    make_company,
    make_content,
    make_coupon,
    make_customer,
    make_media,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def tao():
    return make_staff("Tao", role=Role.MARKETER, email="tao@example.com")


def a_file(name="coat.png", content=PIXEL):
    return SimpleUploadedFile(name, content, content_type="image/png")


# --- the library ---------------------------------------------------------------------------------


def test_a_message_is_written_changed_and_put_away(client, tao):
    sign_in(client, tao)
    typed = {"name": "Coats", "folder": "Autumn", "text": "Hello {customer|friend}", "go": "save"}

    client.post(reverse("content_new"), typed)
    first = Content.objects.get()
    client.post(reverse("content_edit", args=[first.pk]), typed | {"text": "Hi"})
    second = Content.objects.get(replaces=first)
    page = client.get(reverse("content_list")).content.decode()

    assert page.count("Coats") == 1
    assert reverse("content_page", args=[second.pk]) in page
    client.post(reverse("content_archive", args=[second.pk]))
    assert "Coats" not in client.get(reverse("content_list")).content.decode()


def test_somebody_who_comes_second_keeps_what_they_typed(client, tao):
    first = make_content("Old", folder="Autumn")
    make_content("Theirs", folder="Autumn", replaces=first, version=2)
    typed = {"name": "Coats", "folder": "Autumn", "text": "My own words", "go": "save"}

    answer = sign_in(client, tao).post(reverse("content_edit", args=[first.pk]), typed)

    assert answer.status_code == 409
    assert "My own words" in answer.content.decode()


@pytest.mark.parametrize(
    ("language", "words"), [("en", "SIZE of LIMIT bytes"), ("zh-hans", "SIZE / LIMIT 字节")]
)
def test_bytes_are_counted_against_what_each_channel_takes(client, tao, settings, language, words):
    settings.EMAIL_URL = "smtp://mail.example.com"
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language

    page = sign_in(client, tao).get(reverse("content_new")).content.decode()

    assert "js/byte-counter" in page
    for channel in available_channels():
        limit = abilities_of(channel).text_bytes
        counted = f'data-bytes-for="id_text" data-bytes-limit="{limit}" data-bytes-words="{words}"'
        with override(language):
            assert f"{counted}><span>{LABELS[channel]}</span>" in page


def test_what_is_wrong_is_said_and_nothing_typed_is_lost(client, tao):
    typed = {"name": "", "folder": "Autumn", "text": "My own words", "go": "save"}
    typed |= {"att_kind": "link", "att_title": "Coats", "att_url": "ftp://e.com"}

    answer = sign_in(client, tao).post(reverse("content_new"), typed)

    page = answer.content.decode()
    assert answer.status_code == 400
    assert "My own words" in page
    assert "ftp://e.com" in page
    assert not Content.objects.exists()


def test_files_and_cards_are_added_and_taken_away_without_scripts(client, tao):
    sign_in(client, tao)
    typed = {"name": "Coats", "folder": "Autumn", "text": "My own words"}

    with_file = client.post(
        reverse("content_new"), typed | {"go": "attach-new", "new_file": a_file()}
    )
    media = MediaFile.objects.get()
    rows = {"att_kind": ["image"], "att_media": [str(media.pk)]}
    with_card = client.post(reverse("content_new"), typed | rows | {"go": "attach-link"})
    without = client.post(reverse("content_new"), typed | rows | {"go": "detach-1"})

    assert "My own words" in with_file.content.decode()
    assert [row["file"] for row in with_file.context["attachments"]] == [media]
    assert [row["kind"] for row in with_card.context["attachments"]] == ["image", "link"]
    assert without.context["attachments"] == []


def test_a_file_that_was_chosen_and_not_uploaded_is_kept_with_the_message(client, tao):
    typed = {"name": "Coats", "folder": "Autumn", "text": "My own words", "go": "save"}

    answer = sign_in(client, tao).post(reverse("content_new"), typed | {"new_file": a_file()})

    media = MediaFile.objects.get()
    assert answer.status_code == 302
    assert Content.objects.get().attachments == [{"kind": "image", "media": media.pk}]


def test_a_chosen_file_stays_attached_while_something_else_is_mended(client, tao):
    typed = {"name": "", "folder": "Autumn", "text": "My own words", "go": "save"}

    answer = sign_in(client, tao).post(reverse("content_new"), typed | {"new_file": a_file()})

    assert answer.status_code == 400
    assert [row["file"] for row in answer.context["attachments"]] == [MediaFile.objects.get()]


def test_a_chosen_file_goes_before_the_card_that_is_added(client, tao):
    typed = {"name": "Coats", "text": "My own words", "go": "attach-link", "new_file": a_file()}

    answer = sign_in(client, tao).post(reverse("content_new"), typed)

    assert [row["kind"] for row in answer.context["attachments"]] == ["image", "link"]


def test_a_chosen_file_that_is_none_is_refused_whatever_is_pressed(client, tao):
    typed = {"name": "Coats", "folder": "Autumn", "text": "My own words", "go": "save"}
    none = a_file("x.html", b"<script>alert(1)</script>")

    answer = sign_in(client, tao).post(reverse("content_new"), typed | {"new_file": none})

    assert answer.status_code == 400
    assert "This is no file that can be sent." in answer.text
    assert "My own words" in answer.text
    assert not Content.objects.exists()


def test_a_file_that_is_none_is_refused_and_nothing_typed_is_lost(client, tao):
    typed = {"name": "Coats", "folder": "Autumn", "text": "My own words", "go": "attach-new"}

    answer = sign_in(client, tao).post(
        reverse("content_new"), typed | {"new_file": a_file("x.html", b"<script>alert(1)</script>")}
    )

    assert answer.status_code == 400
    assert "My own words" in answer.content.decode()
    assert not MediaFile.objects.exists()


@pytest.mark.parametrize("name", ["content_new", "media_list"])
def test_only_marketers_write(client, name):
    assert sign_in(client, make_staff("Lin")).get(reverse(name)).status_code == 403
    hua = make_staff("Hua", role=Role.MANAGER)
    assert sign_in(client, hua).post(reverse(name), {"go": "save"}).status_code == 403


def test_administrators_are_offered_what_they_may_write(client):
    content = make_content(folder="Autumn")
    sign_in(client, make_staff("Boss", role=Role.ADMINISTRATOR))

    assert reverse("content_new") in client.get(reverse("content_list")).text
    page = client.get(reverse("content_page", args=[content.pk])).text
    assert reverse("content_edit", args=[content.pk]) in page


def test_a_message_is_shown_as_a_customer_gets_it(client, tao):
    make_customer("Chen <b>", owner=make_staff("Lin"))
    make_customer("Zhao")
    content = make_content("Hello {customer|friend}, it is {guide}", folder="Autumn")
    address = reverse("content_page", args=[content.pk])
    sign_in(client, tao)

    page = client.get(address, {"who": "chen", "channel": "echo"}).text
    part = client.get(address, {"who": "zhao", "channel": "echo", "preview": "1"}).text
    of_many = client.get(address, {"who": "chen", "channel": "wecom", "preview": "1"}).text

    assert "Hello Chen &lt;b&gt;, it is Lin" in page
    assert "Hello Zhao, it is" in part
    assert "<html" not in part
    assert "Hello friend, it is Lin" in of_many


def test_a_message_is_shown_as_customers_within_reach_get_it_only(client):
    here, far = make_store("Here"), make_store("Far")
    hua = make_staff("Hua", role=Role.MANAGER, scope=Scope.STORE, store=here)
    make_customer("Chen", store=far)
    content = make_content("Hello {customer|friend}", folder="Autumn")
    address = reverse("content_page", args=[content.pk])

    part = sign_in(client, hua).get(address, {"who": "chen", "channel": "echo", "preview": "1"})

    assert "Hello friend" in part.text
    assert "Chen" not in part.text


def test_managers_read_the_library_and_change_nothing(client):
    content = make_content(folder="Autumn")
    sign_in(client, make_staff("Hua", role=Role.MANAGER))

    assert client.get(reverse("content_page", args=[content.pk])).status_code == 200
    for name in ("content_archive", "content_use"):
        assert client.post(reverse(name, args=[content.pk])).status_code == 403
    content.refresh_from_db()
    assert content.archived_at is None


def test_a_campaign_begins_with_a_message_of_the_library(client, tao):
    media = make_media()
    content = make_content(
        "Hello", folder="Autumn", attachments=[{"kind": "image", "media": media.pk}]
    )
    sign_in(client, tao)

    answer = client.post(reverse("content_use", args=[content.pk]), follow=True)

    assert "Hello" in answer.content.decode()
    assert [row["file"] for row in answer.context["attachments"]] == [media]


# --- files ---------------------------------------------------------------------------------------


def test_a_file_is_brought_shown_and_put_away(client, tao):
    sign_in(client, tao)
    client.post(reverse("media_list"), {"new_file": a_file()})
    media = MediaFile.objects.get()
    assert media.name in client.get(reverse("media_list")).content.decode()

    client.post(reverse("media_archive", args=[media.pk]))

    assert media.name not in client.get(reverse("media_list")).content.decode()


def test_the_public_address_gives_the_file_and_runs_nothing(client):
    media = make_media()
    answer = client.get(reverse("media_file", args=[media.token, media.name]))

    assert answer.content == PIXEL
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    again = client.get(
        reverse("media_file", args=[media.token, media.name]),
        headers={"if-none-match": answer["ETag"]},
    )
    assert again.status_code == 304


def test_documents_are_for_saving(client):
    media = make_media("list.pdf", b"%PDF-1.4", kind="file", media_type="application/pdf")
    answer = client.get(reverse("media_file", args=[media.token, "list.pdf"]))
    assert answer["Content-Disposition"].startswith("attachment")


def test_nobody_finds_a_file_by_guessing(client):
    assert client.get(reverse("media_file", args=["x" * 22, "coat.png"])).status_code == 404
    assert client.get("/f/%00/coat.png").status_code == 404


# --- in the campaign editor ----------------------------------------------------------------------


def editor(step="message"):
    return reverse("campaign_new_step", args=[step])


def typed(**more):
    return {
        "name": "Spring",
        "channel": "echo",
        "text": "Hello {customer|friend} of {store}",
        "version": "0",
        "window": "w",
    } | more


def test_an_attachment_is_kept_in_the_draft_and_goes_with_the_campaign(client, tao, redis):
    sign_in(client, tao)
    client.post(editor(), typed(go="attach-new", new_file=a_file()))
    media = MediaFile.objects.get()
    draft = CampaignDraft.objects.get()
    assert draft.fields["att_media"] == [str(media.pk)]

    client.post(editor("check"), {"go": "save", "version": str(draft.version), "window": "w"})

    campaign = Campaign.objects.get()
    assert campaign.content
    assert campaign.content.attachments == [{"kind": "image", "media": media.pk}]


def test_a_file_that_was_chosen_goes_along_to_the_next_step(client, tao, redis):
    sign_in(client, tao)

    answer = client.post(editor(), typed(go="next", new_file=a_file()))

    assert answer.url == editor("audience")
    media = MediaFile.objects.get()
    assert CampaignDraft.objects.get().fields["att_media"] == [str(media.pk)]


def test_a_file_that_is_none_keeps_the_step(client, tao, redis):
    sign_in(client, tao)

    answer = client.post(editor(), typed(go="next", new_file=a_file("x.exe", b"MZ" + bytes(200))))

    assert answer.status_code == 400
    assert "This is no file that can be sent." in answer.text


@pytest.mark.parametrize(
    ("name", "content"), [("setup.exe", b"MZ" + bytes(200)), ("five.pdf", b"%PDF-")]
)
def test_a_file_that_is_refused_is_said_beside_its_field(client, tao, redis, name, content):
    sign_in(client, tao)

    answer = client.post(editor(), typed(go="attach-new", new_file=a_file(name, content)))

    page = answer.content.decode()
    assert answer.status_code == 400
    field = page.index('id="new-file"')
    said = page.index("This is no file that can be sent.")
    assert field < said < page.index('value="attach-link"')
    assert 'aria-describedby="attaching"' in page[field:said]
    assert page.count("This is no file that can be sent.") == 1
    assert "The file is empty" not in page
    assert "Hello {customer|friend} of {store}" in page
    assert not MediaFile.objects.exists()


def test_an_attachment_that_the_channel_does_not_take_is_said_on_the_step(client, tao, redis):
    sign_in(client, tao)
    rows = {"att_kind": "mini_program", "att_title": "Shop", "att_app_id": "wx1", "att_page": "p"}
    answer = client.post(editor(), typed(go="next", **rows, att_media=str(make_media().pk)))

    assert answer.status_code == 400
    assert answer.context["form"].errors["attachments"]


def test_the_preview_is_that_of_a_real_customer(client, tao, redis):
    make_company()
    make_customer("Chen <b>", owner=make_staff("Lin"))
    make_customer("Zhao")
    sign_in(client, tao)
    client.post(editor(), typed(go="keep"))

    page = client.get(editor(), {"preview": "1", "who": "chen"}).content.decode()

    assert "Hello Chen &lt;b&gt; of" in page
    assert "Hello Zhao of" in client.get(editor(), {"preview": "1"}).content.decode()


def test_the_preview_shows_the_coupon_of_the_customer(client, tao, redis):
    make_coupon(make_customer("Chen"), code="SPRING")
    make_customer("Zhao")
    sign_in(client, tao)
    client.post(editor(), typed(go="keep", text="Yours: {coupon_code|in the store}"))

    assert "Yours: SPRING" in client.get(editor(), {"preview": "1", "who": "chen"}).text
    assert "Yours: in the store" in client.get(editor(), {"preview": "1", "who": "zhao"}).text


def test_the_preview_reaches_no_further_than_the_marketer(client, redis):
    here, far = make_store("Here"), make_store("Far")
    tao = make_staff("Tao", role=Role.MARKETER, scope=Scope.STORE, store=here)
    make_customer("Chen", store=far)
    sign_in(client, tao)
    client.post(editor(), typed(go="keep"))

    for who in ("", "chen"):
        page = client.get(editor(), {"preview": "1", "who": who}).content.decode()
        assert "Hello friend of" in page
        assert "Chen" not in page.replace('value="chen"', "")


def test_the_html_of_a_mail_is_shown_in_a_frame_where_nothing_runs(client, tao, redis, settings):
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1:9", "Shop <shop@example.com>"
    make_customer("Chen <i>")
    sign_in(client, tao)
    page = '<p style="color: red">Hi {customer}</p><script>alert(1)</script>'
    client.post(editor(), typed(go="keep", channel="email", subject="Spring", html=page))

    around = client.get(editor(), {"preview": "1"})
    mail = client.get(editor(), {"preview": "html"})

    assert 'sandbox=""' in around.content.decode()
    assert mail.content.decode() == '<p style="color:red">Hi Chen &lt;i&gt;</p>'
    assert "default-src 'none'" in mail["Content-Security-Policy"]
    assert mail["X-Frame-Options"] == "SAMEORIGIN"


def test_a_test_goes_to_oneself_and_not_more_than_twenty_an_hour(client, tao, redis):
    sign_in(client, tao)
    client.post(editor(), typed(go="keep"))
    version = str(CampaignDraft.objects.get().version)

    for _time in range(20):
        client.post(editor(), typed(go="test", version=version))
        version = str(CampaignDraft.objects.get().version)
    answer = client.post(editor(), typed(go="test", version=version))

    assert answer.status_code == 400
    assert "20" in answer.context["refusal"]
    assert HistoryEntry.objects.filter(action="content.test_sent", actor=tao).count() == 20


def test_a_test_without_an_address_says_so(client, redis):
    tao = make_staff("Tao", role=Role.MARKETER, wecom_userid=None)
    sign_in(client, tao)
    answer = client.post(editor(), typed(go="test", channel="wecom", text="Hello"))

    assert answer.status_code == 400
    assert not HistoryEntry.objects.filter(action="content.test_sent").exists()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("content_list", lambda: make_content(folder="Autumn")),
        ("media_list", make_media),
    ],
)
def test_a_list_asks_as_often_for_many_rows_as_for_few(client, tao, name, make):
    sign_in(client, tao)
    client.get(reverse(name))
    counts = []
    for rows in (3, 40):
        for _row in range(rows):
            make()
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse(name))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_what_no_database_stores_is_left_out_of_an_attachment(client, tao):
    typed = {"name": "Coats", "folder": "Autumn", "text": "Hi", "go": "save"}
    typed |= {"att_kind": "link", "att_title": "a\0b", "att_url": "https://example.com"}

    sign_in(client, tao).post(reverse("content_new"), typed)

    assert Content.objects.get().attachments[0]["title"] == "ab"


def test_an_endless_number_names_no_file(client, tao):
    typed = {"name": "Coats", "folder": "Autumn", "text": "My own words", "go": "save"}
    typed |= {"att_kind": "image", "att_media": "9" * 5000}

    answer = sign_in(client, tao).post(reverse("content_new"), typed)

    assert answer.status_code == 400
    assert "My own words" in answer.text
    assert not Content.objects.exists()


def test_the_page_of_a_message_asks_as_often_for_many_versions_as_for_few(client, tao):
    sign_in(client, tao)
    content = make_content("v1", folder="Autumn")
    counts = []
    for version in range(2, 25):
        content = make_content(f"v{version}", folder="Autumn", replaces=content, version=version)
        if version in {4, 24}:
            address = reverse("content_page", args=[content.pk])
            counts.append(queries_for(client, address))
            versions = client.get(address).context["versions"]
            assert [row.version for row in versions] == [*range(version - 1, 0, -1)]
    assert counts[0] == counts[1]


def test_a_message_taken_while_the_campaign_is_written_elsewhere_says_so(client, tao):
    content, other = make_content(folder="Autumn"), make_content("Other", folder="Autumn")
    sign_in(client, tao).post(reverse("content_use", args=[content.pk]))
    done: list[str] = []

    def elsewhere(execute, sql, params, many, context):
        if "FOR UPDATE" in sql and "campaigndraft" in sql and not done:
            done.append(sql)
            CampaignDraft.objects.update(version=9, window="editor")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(elsewhere):
        answer = client.post(reverse("content_use", args=[other.pk]))

    assert done
    assert answer["Location"] == reverse("content_page", args=[other.pk])


def test_the_picture_of_a_card_that_lies_elsewhere_stays(client, tao):
    card = {"kind": "link", "title": "Coats", "url": "https://example.com/coats"}
    card["picture_url"] = "https://example.com/coat.png"
    content = make_content("Old words", folder="Autumn", attachments=[card])
    address = reverse("content_edit", args=[content.pk])
    page = sign_in(client, tao).get(address)
    shown = findall(r'<input[^>]* name="(att_\w+)"[^>]* value="([^"]*)"', page.text)
    typed = {"name": "Coats", "folder": "Autumn", "text": "New words", "go": "save"}

    client.post(address, typed | dict(shown))

    assert Content.objects.get(replaces=content).attachments == [card]


def test_a_card_says_what_it_is_and_not_only_which_picture_it_has(client, tao):
    media = make_media("coat.png")
    card = {"kind": "link", "title": "Coats", "url": "https://example.com/coats"}
    words = {"description": "Twenty new ones"}
    program = {"kind": "mini_program", "title": "Members", "app_id": "wx1", "page": "pages/home"}
    pictured = [card | words | {"picture": media.pk}, program | {"cover": media.pk}]
    content = make_content(folder="Autumn", attachments=pictured)

    page = sign_in(client, tao).get(reverse("content_page", args=[content.pk])).text

    for said in ("Link card", "Twenty new ones", "Mini-program card", "pages/home", "coat.png"):
        assert said in page


@pytest.mark.parametrize("ask", ["", "?preview=1&who=Customer&channel=echo"])
def test_a_message_and_its_preview_ask_as_often_in_a_full_shop_as_in_an_empty_one(client, tao, ask):
    content = make_content("Dear {customer|friend}, {guide} of {store}", folder="Autumn")
    address = reverse("content_page", args=[content.pk]) + ask
    sign_in(client, tao)
    queries_for(client, address)
    counts = []
    for number in (3, 40):
        fill_the_shop(number)
        counts.append(queries_for(client, address))
    assert counts[0] == counts[1]


def test_the_limit_of_each_channel_stands_there_before_anything_is_typed(client, tao):
    page = sign_in(client, tao).get(reverse("content_new")).text

    assert "<span>WeCom</span> <output>at most 4,000 bytes</output>" in page


@pytest.mark.parametrize(
    ("go", "field"), [("attach-new", "new-file"), ("attach-kept", "kept-file")]
)
def test_a_button_without_a_file_says_beside_it_what_is_missing(client, tao, go, field):
    make_media()
    typed = {"name": "Coats", "folder": "Autumn", "text": "My own words", "go": go}

    page = sign_in(client, tao).post(reverse("content_new"), typed).text

    after = page.split(f'id="{field}"')[1]
    assert after.split(">")[0].count('aria-invalid="true"') == 1
    assert "Choose a file first." in after.split("<label")[0]
    assert page.count("Choose a file first.") == 1
    assert "My own words" in page


def test_of_several_attachments_the_one_that_is_wrong_is_named(client, tao, settings):
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    typed: dict[str, Any] = {"name": "Coats", "folder": "Autumn", "text": "", "go": "save"}
    typed |= {"att_kind": ["link", "link"], "att_title": ["Coats", "Hats"]}
    typed |= {"att_url": ["https://example.com/coats", ""]}

    page = sign_in(client, tao).post(reverse("content_new"), typed)

    assert page.status_code == 400
    assert "附件 2：链接卡片需要标题和网址。" in page.text
    assert not Content.objects.exists()


def test_a_kind_that_a_channel_cannot_send_is_named_in_the_readers_words(client, tao, settings):
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    settings.SMS_URL = "json+https://name:word@sms.example.com/send"
    card = {"kind": "link", "title": "Coats", "url": "https://example.com/coats"}
    content = make_content(folder="Autumn", attachments=[card])

    page = sign_in(client, tao).get(
        reverse("content_page", args=[content.pk]), {"preview": "1", "channel": "sms"}
    )

    assert "链接卡片" in page.text


def test_a_field_that_is_too_long_is_named_in_the_readers_words(client, tao, settings):
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    typed = {"name": "Coats", "folder": "Autumn", "text": "", "go": "save", "att_kind": "link"}
    typed |= {"att_title": "汉" * 60, "att_url": "https://example.com"}

    page = sign_in(client, tao).post(reverse("content_new"), typed)

    assert "“标题”" in page.text


def test_a_card_that_is_not_finished_is_refused_without_a_text_too_and_stays(client, tao):
    typed = {"name": "Coats", "folder": "Autumn", "text": "", "go": "save"}
    typed |= {"att_kind": "link", "att_title": "Twenty new ones", "att_url": ""}

    answer = sign_in(client, tao).post(reverse("content_new"), typed)

    assert answer.status_code == 400
    assert "A link card needs a title and an address." in answer.text
    assert "Write a text, or add an attachment." not in answer.text
    assert "Twenty new ones" in answer.text


def test_a_message_without_name_and_folder_is_asked_for_both(client, tao):
    typed = {"name": "", "folder": "", "text": "My own words", "go": "save"}

    answer = sign_in(client, tao).post(reverse("content_new"), typed)

    assert "Give the message a name." in answer.text
    assert "Choose a folder, or name a new one." in answer.text
    assert "This field is required." not in answer.text
    assert "My own words" in answer.text


@pytest.mark.parametrize(
    "page", ["content_new", "post_new", "welcome_new", "segment_new", "segment_list_new"]
)
def test_a_page_says_what_it_holds_that_is_kept_nowhere(client, tao, page):
    """The script that asks before such a page is left goes by it."""
    sign_in(client, tao)

    assert " data-unsaved>" in client.get(reverse(page)).text
    assert ' data-unsaved="yes">' in client.post(reverse(page), {"go": "save"}).text
