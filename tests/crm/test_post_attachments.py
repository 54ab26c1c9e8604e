"""What goes with posts: added and taken away in the form, judged and shown."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from campaigns.attachments import media_url
from campaigns.enums import MediaKind, PostKind
from campaigns.models import Content, MediaFile, Post
from contacts.enums import Role
from crm.forms.attachments import inputs_of
from tests.builders import (
    PIXEL,
    make_content,
    make_media,
    make_post,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

LINK = {"kind": "link", "title": "Our coats", "url": "https://shop.example/coats"}


def typed(*attachments: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"kind": "moment", "name": "Coats", "text": "New coats are here.", "when": "now"}
    return {**said, "go": "save", **inputs_of(attachments), **more}


def image(media: MediaFile | None = None) -> dict[str, Any]:
    return {"kind": "image", "media": (media or make_media()).pk}


def video() -> dict[str, Any]:
    return {"kind": "video", "media": make_media("walk.mp4", kind=MediaKind.VIDEO).pk}


def seen_of(client: Client, post: Post) -> str:
    seen: str = client.get(f"/posts/{post.pk}/edit/").context["form"]["seen"].value()
    return seen


# --- the form -----------------------------------------------------------------------------------


def test_a_file_and_a_card_are_added_and_taken_away_and_nothing_typed_is_lost(
    marketer: Client,
) -> None:
    north = make_store("North")
    said = typed(name="Blue coats", stores=[north.pk], when="later", send_at="2030-01-02T10:00")
    upload = SimpleUploadedFile("coat.png", PIXEL, content_type="image/png")

    with_file = marketer.post("/posts/new/", said | {"go": "attach-new", "new_file": upload})
    media = MediaFile.objects.get()
    with_card = marketer.post(
        "/posts/new/", said | inputs_of([image(media)]) | {"go": "attach-link"}
    )
    without = marketer.post("/posts/new/", said | inputs_of([image(media)]) | {"go": "detach-1"})

    assert [row["file"] for row in with_file.context["attachments"]] == [media]
    assert [row["kind"] for row in with_card.context["attachments"]] == ["image", "link"]
    assert without.context["attachments"] == []
    for page in (with_file, with_card, without):
        assert page.status_code == 200
        assert 'value="Blue coats"' in page.text
        assert "New coats are here." in page.text
        assert 'value="2030-01-02T10:00"' in page.text
        assert f'value="{north.pk}" checked' in page.text.replace(' id="id_stores_0"', "")
        assert '<option value="moment" selected' in page.text
        assert "This field is required" not in page.text
    assert not Post.objects.exists()


def test_a_file_that_was_chosen_and_not_uploaded_goes_with_the_post(marketer: Client) -> None:
    upload = SimpleUploadedFile("coat.png", PIXEL, content_type="image/png")

    answer = marketer.post("/posts/new/", typed(name="Blue coats") | {"new_file": upload})

    assert answer.status_code == 302
    media = MediaFile.objects.get()
    assert Post.objects.get().content.attachments == [image(media)]


def test_what_cannot_be_attached_is_said_and_nothing_typed_is_lost(marketer: Client) -> None:
    page = SimpleUploadedFile("page.html", b"<html><script>alert(1)</script></html>")

    for go in ({"go": "attach-new", "new_file": page}, {"go": "attach-kept"}):
        answer = marketer.post("/posts/new/", typed(name="Blue coats") | go)

        assert answer.status_code == 400
        assert "field-errors" in answer.text
        assert "Blue coats" in answer.text
    full = typed(*[image()] * 9, go="attach-link")
    assert "at most 9 attachments" in marketer.post("/posts/new/", full).text
    assert not Post.objects.exists()
    assert MediaFile.objects.count() == 1


@pytest.mark.parametrize("many", [1, 9])
def test_a_moment_takes_up_to_nine_pictures(marketer: Client, many: int) -> None:
    rows = [image() for _number in range(many)]

    answer = marketer.post("/posts/new/", typed(*rows, text=""))

    post = Post.objects.get()
    assert answer["Location"] == f"/posts/{post.pk}/"
    assert (post.enclosed, post.words) == (rows, "")


@pytest.mark.parametrize("one", ["video", "link"])
def test_a_moment_takes_one_video_or_one_link(marketer: Client, one: str) -> None:
    row = video() if one == "video" else LINK

    marketer.post("/posts/new/", typed(row))

    assert Post.objects.get().enclosed == [row]


def test_a_chat_takes_what_a_moment_does_not(marketer: Client) -> None:
    card = {"kind": "mini_program", "title": "Shop", "app_id": "wx1", "page": "p"}
    rows = [LINK, image(), video(), {**card, "cover": make_media().pk}]

    refused = marketer.post("/posts/new/", typed(*rows))
    assert refused.status_code == 400
    assert not Post.objects.exists()

    marketer.post("/posts/new/", typed(*rows, kind="group"))
    assert Post.objects.get().enclosed == rows


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([LINK, LINK], "one video, or one link"),
        (["image", LINK], "one video, or one link"),
        (["video", "video"], "one video, or one link"),
        (["file"], "one video, or one link"),
        ([{**LINK, "description": "In blue"}], "has no description"),
        (["elsewhere"], "wants the file itself"),
        ([{"kind": "link", "title": "", "url": "https://shop.example"}], "needs a title"),
        ([{"kind": "link", "title": "A", "url": "javascript:alert(1)"}], "begins with https"),
        ([{"kind": "image", "media": 2**40}], "gone or of another kind"),
        ([{"kind": "image"}], "needs a file"),
    ],
)
def test_what_a_moment_cannot_carry_is_refused_beside_the_field(
    marketer: Client, rows: list[Any], why: str
) -> None:
    known: dict[str, dict[str, Any]] = {
        "image": image(),
        "video": video(),
        "file": {"kind": "file", "media": make_media("list.pdf", kind=MediaKind.FILE).pk},
        "elsewhere": {"kind": "image", "url": "https://elsewhere.example/coat.png"},
    }
    said = typed(*[known[row] if isinstance(row, str) else row for row in rows])

    answer = marketer.post("/posts/new/", said)

    assert answer.status_code == 400
    assert why in answer.context["form"].errors["attachments"][0]
    assert why in answer.text
    assert len(answer.context["attachments"]) == len(rows)
    assert "New coats are here." in answer.text
    assert not Post.objects.exists()


def test_what_no_database_stores_is_left_out(marketer: Client) -> None:
    row = {**LINK, "title": "Our\0 coats", "url": "https://shop.example/coats\0"}

    marketer.post("/posts/new/", typed(row))
    kept = typed(row, name="Coats", folder="Autumn")
    marketer.post("/contents/new/", kept)

    assert Post.objects.get().enclosed == [LINK]
    assert Content.objects.get(folder__name="Autumn").attachments == [LINK]


def test_the_attachments_of_a_draft_are_changed(marketer: Client) -> None:
    old = make_content("Old", attachments=[image()])
    post = make_post(kind=PostKind.MOMENT, content=old)
    page = marketer.get(f"/posts/{post.pk}/edit/")
    assert [row["kind"] for row in page.context["attachments"]] == ["image"]

    marketer.post(f"/posts/{post.pk}/edit/", typed(LINK, text="Old", seen=seen_of(marketer, post)))

    post.refresh_from_db()
    old.refresh_from_db()
    assert (post.enclosed, post.words) == ([LINK], "Old")
    assert old.attachments != [LINK]


def test_of_two_who_attach_something_the_second_is_told(marketer: Client) -> None:
    post = make_post(kind=PostKind.MOMENT)
    seen = seen_of(marketer, post)
    marketer.post(f"/posts/{post.pk}/edit/", typed(LINK, seen=seen))

    answer = marketer.post(f"/posts/{post.pk}/edit/", typed(image(), seen=seen))

    assert answer.status_code == 409
    assert [row["kind"] for row in answer.context["attachments"]] == ["image"]
    post.refresh_from_db()
    assert post.enclosed == [LINK]


def test_a_message_of_the_library_begins_a_post(marketer: Client) -> None:
    media = make_media()
    kept = make_content("Words kept", folder="Autumn", name="Kept", attachments=[image(media)])
    assert f"/posts/new/?content={kept.pk}" in marketer.get(f"/contents/{kept.pk}/").text

    page = marketer.get(f"/posts/new/?content={kept.pk}")

    assert "Words kept" in page.text
    assert 'value="Kept"' in page.text
    assert [row["file"] for row in page.context["attachments"]] == [media]
    assert marketer.get("/posts/new/?content=999999").status_code == 404
    assert marketer.get("/posts/new/?content=nonsense").status_code == 200


# --- the page -----------------------------------------------------------------------------------


def test_the_page_shows_a_post_as_the_phone_does(marketer: Client) -> None:
    coat = make_media("coat.png")
    said = make_content("See them", attachments=[image(coat), {**LINK, "description": "In blue"}])
    chats = make_post(content=said)
    card = make_content("", attachments=[{**LINK, "description": "In blue"}])
    moment = make_post(kind=PostKind.MOMENT, content=card)

    page = marketer.get(f"/posts/{chats.pk}/").text
    assert media_url(coat) in page
    assert "Our coats" in page
    assert "In blue" in page
    page = marketer.get(f"/posts/{moment.pk}/").text
    assert "Our coats" in page
    assert "In blue" not in page  # moments show none


def test_nine_pictures_take_the_same_queries_as_one(marketer: Client) -> None:
    one = make_post(content=make_content(attachments=[image()]))
    nine = make_post(content=make_content(attachments=[image() for _number in range(9)]))

    for place in ("", "edit/"):
        few = queries_for(marketer, f"/posts/{one.pk}/{place}")
        assert queries_for(marketer, f"/posts/{nine.pk}/{place}") == few


def previewed(client: Client, said: dict[str, Any]) -> str:
    answer = client.post("/posts/preview/", said)
    assert answer.status_code == 200
    return answer.text


def test_the_preview_shows_what_is_typed(marketer: Client) -> None:
    coat = make_media("coat.png")

    page = previewed(marketer, typed(image(coat), text="See <b>them</b>"))
    assert media_url(coat) in page
    assert "See &lt;b&gt;them&lt;/b&gt;" in page
    assert "Group chat" in previewed(marketer, typed(kind="group"))
    assert "Nothing written yet" in previewed(marketer, {})
    assert not Post.objects.exists()


def test_the_preview_says_what_cannot_be_sent(marketer: Client) -> None:
    page = previewed(marketer, typed(LINK, LINK))

    assert "one video, or one link" in page
    assert "Our coats" not in page
    assert "New coats are here." in page


@pytest.mark.parametrize("role", [Role.GUIDE, Role.MANAGER])
def test_only_marketers_see_previews(client: Client, role: Role) -> None:
    sign_in(client, make_staff("Lin", role=role))

    assert client.post("/posts/preview/", typed()).status_code == 403
    assert client.get("/posts/preview/").status_code == 405
