"""The screens of posts: the list, the form, and what waits on Today."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.enums import PostKind, PostState, TargetState
from campaigns.models import Post, PostShare, PostTarget
from contacts.enums import Role, Scope
from contacts.models import HistoryEntry, Staff, Store, Tag
from crm.forms.attachments import inputs_of
from tests.builders import (
    make_chat,
    make_content,
    make_customers,
    make_media,
    make_post,
    make_staff,
    make_store,
    make_tag,
    queries_for,
    sign_in,
)
from tests.crm.posting import fresh, local, planned

pytestmark = pytest.mark.django_db

VERBS = ("schedule", "unschedule", "cancel", "remind", "refresh")
READ = ("", "edit/", "reach/", "progress/", "reactions/")


def typed(**more: Any) -> dict[str, Any]:
    said = {"kind": "group", "name": "Coats", "text": "New coats are here.", "when": "now"}
    return {**said, "go": "save", **more}


def seen_of(client: Client, post: Post) -> str:
    seen: str = client.get(f"/posts/{post.pk}/edit/").context["form"]["seen"].value()
    return seen


def known_tag(name: str = "VIP") -> Tag:
    tag = make_tag(name)
    tag.wecom_id = f"et{name}"
    tag.save()
    return tag


# --- who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.GUIDE, Role.MANAGER])
def test_guides_and_managers_have_no_business_here(client: Client, role: Role) -> None:
    post = make_post()
    sign_in(client, make_staff("Lin", role=role))

    for part in ("", "new/", "reach/", *(f"{post.pk}/{read}" for read in READ)):
        assert client.get(f"/posts/{part}").status_code == 403, part
    for part in ("new/", f"{post.pk}/edit/", *(f"{post.pk}/{verb}/" for verb in VERBS)):
        assert client.post(f"/posts/{part}", typed()).status_code == 403, part
    assert list(Post.objects.values_list("state", flat=True)) == [PostState.DRAFT]
    assert "/posts/" not in client.get("/").text


def test_a_colleagues_post_does_not_exist_for_a_marketer_of_one_store(client: Client) -> None:
    post = make_post()
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE))

    assert client.get("/posts/").context["rows"] == []
    for read in READ:
        assert client.get(f"/posts/{post.pk}/{read}").status_code == 404, read
    for verb in (*VERBS, "edit"):
        assert client.post(f"/posts/{post.pk}/{verb}/", typed()).status_code == 404, verb
    assert fresh(post).state == PostState.DRAFT


def test_buttons_are_pressed_and_not_opened(marketer: Client) -> None:
    post = make_post()

    for verb in VERBS:
        assert marketer.get(f"/posts/{post.pk}/{verb}/").status_code == 405, verb


def test_visitors_are_sent_to_the_door(client: Client) -> None:
    assert client.get("/posts/").status_code == 302
    assert client.post("/posts/new/", typed()).status_code == 302
    assert not Post.objects.exists()


# --- the list -----------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do(marketer: Client) -> None:
    page = marketer.get("/posts/").text

    assert "No posts yet" in page
    assert "/posts/new/" in page
    assert "Show all posts" in marketer.get("/posts/?kind=moment").text


def test_the_list_filters_by_state_kind_author_and_words(marketer: Client, yan: Staff) -> None:
    make_post("Spring", created_by=yan, content=make_content("Blue coats"))
    make_post("Summer", kind=PostKind.MOMENT, state=PostState.CANCELLED, closed_at=timezone.now())

    def names(query: str) -> list[str]:
        rows = marketer.get(f"/posts/?{query}").context["rows"]
        return [row.post.name for row in rows]

    assert names("") == ["Summer", "Spring"]
    assert names("state=draft") == ["Spring"]
    assert names("kind=moment") == ["Summer"]
    assert names("mine=1") == ["Spring"]
    assert names("q=BLUE") == ["Spring"]
    assert names("q=summer&mine=1") == []
    assert names("kind=nonsense&q=%00") == ["Summer", "Spring"]


def test_the_list_says_how_many_have_sent_it(marketer: Client) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_chat(lin, name="A")
    make_chat(mei, name="B")
    make_customers(1, owner=lin, followed=True)
    planned()
    planned(PostKind.MOMENT)
    PostTarget.objects.filter(chat__name="A").update(state=TargetState.SENT)

    page = marketer.get("/posts/").text

    assert "sent to 1 of 2 chats" in page
    assert "published by 0 of 1 colleague" in page


def test_the_list_takes_the_same_queries_for_3_and_30_posts(marketer: Client) -> None:
    make_chat(make_staff("Lin"))
    for _number in range(3):
        planned()
    few = queries_for(marketer, "/posts/")

    for _number in range(22):
        planned()

    assert queries_for(marketer, "/posts/") == few <= 9


def test_posts_are_reached_from_campaigns(marketer: Client) -> None:
    assert 'href="/posts/"' in marketer.get("/campaigns/").text
    current = [item.label for item in marketer.get("/posts/").context["nav"] if item.is_current]
    assert current == ["Campaigns"]


# --- writing ------------------------------------------------------------------------------------


def test_a_post_is_kept_as_a_draft(marketer: Client, yan: Staff) -> None:
    north = make_store("North")

    answer = marketer.post("/posts/new/", typed(stores=[north.pk], text="One\r\nTwo"))

    post = Post.objects.get()
    assert answer["Location"] == f"/posts/{post.pk}/"
    assert (post.state, post.kind, post.words) == ("draft", "group", "One\nTwo")
    assert (post.created_by, post.send_at, list(post.stores.all())) == (yan, None, [north])


def test_a_post_is_written_and_scheduled_at_once(marketer: Client) -> None:
    later = timezone.now() + timedelta(days=2)

    marketer.post("/posts/new/", typed(go="schedule", when="later", send_at=local(later)))
    marketer.post("/posts/new/", typed(go="schedule", name="Now"))

    timed, now = Post.objects.order_by("pk")
    assert (timed.state, timed.send_at) == ("scheduled", later.replace(second=0, microsecond=0))
    assert now.state == "scheduled"
    assert now.send_at
    assert now.send_at <= timezone.now()


def test_a_draft_keeps_the_time_in_mind(marketer: Client) -> None:
    later = timezone.now() + timedelta(days=2)

    marketer.post("/posts/new/", typed(when="later", send_at=local(later)))

    post = Post.objects.get()
    assert post.state == PostState.DRAFT
    assert marketer.get(f"/posts/{post.pk}/edit/").text.count(local(later)) == 1
    assert local(later) in marketer.get(f"/posts/{post.pk}/").text


def test_a_draft_may_leave_its_time_open_and_a_scheduled_post_may_not(marketer: Client) -> None:
    refused = marketer.post("/posts/new/", typed(go="schedule", when="later"))
    assert refused.status_code == 400
    assert "Say when." in refused.text
    assert not Post.objects.exists()

    marketer.post("/posts/new/", typed(when="later"))
    assert Post.objects.get().send_at is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"text": ""}, "Write a text."),
        ({"name": " "}, "Give the post a name."),
        ({"kind": "group", "text": "长" * 1334}, "The text has 4002 bytes"),
        ({"kind": "moment", "text": "x" * 2001}, "The text has 2001 characters"),
        ({"text": "Hello {customer}"}, "{customer} cannot be filled"),
        ({"kind": "fax"}, "Select a valid choice"),
        ({"stores": ["0"]}, "Select a valid choice"),
        ({"kind": "moment", "tags": ["0"]}, "Select a valid choice"),
        ({"when": "later", "send_at": "2020-01-01T10:00"}, "This time has passed"),
        ({"when": "later", "send_at": "soon"}, "Enter a valid date/time"),
        ({"go": "schedule", "when": "later", "send_at": "2150-01-01T10:00"}, "next year"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_typed_is_lost(
    marketer: Client, wrong: dict[str, Any], why: str
) -> None:
    tag = known_tag()
    said = typed(kind="moment", name="Spring coats", tags=[tag.pk]) | wrong

    answer = marketer.post("/posts/new/", said)

    assert answer.status_code == 400
    assert why in answer.text
    for name in ("name", "text"):
        assert said[name].strip() in answer.text
    if "tags" not in wrong:
        assert f'value="{tag.pk}" checked' in answer.text
    assert not Post.objects.exists()


@pytest.mark.parametrize(
    ("kind", "text"), [("group", "长" * 1333), ("moment", "长" * 2000), ("moment", "😀" * 2000)]
)
def test_the_longest_text_is_taken(marketer: Client, kind: str, text: str) -> None:
    marketer.post("/posts/new/", typed(kind=kind, text=f"  {text}\r\n "))

    assert Post.objects.get().words == text


def test_tags_are_asked_of_moments_only(marketer: Client) -> None:
    tag, unknown = known_tag(), make_tag("Mine")

    marketer.post("/posts/new/", typed(tags=[tag.pk]))
    marketer.post("/posts/new/", typed(kind="moment", tags=[tag.pk]))

    chats, moment = Post.objects.order_by("pk")
    assert list(chats.tags.all()) == []
    assert list(moment.tags.all()) == [tag]
    page = marketer.get("/posts/new/?kind=moment").text
    assert "VIP" in page
    assert unknown.name not in page


def test_a_marketer_of_one_store_posts_within_it(client: Client) -> None:
    north, south = make_store("North"), make_store("South")
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=north))

    answer = client.post("/posts/new/", typed(stores=[south.pk]))
    assert answer.status_code == 400
    assert "South" not in answer.text
    assert not Post.objects.exists()

    client.post("/posts/new/", typed())
    assert list(Post.objects.get().stores.all()) == [north]


@pytest.mark.parametrize("scope", [Scope.OWN, Scope.STORE])
def test_whoever_reaches_no_store_posts_to_nobody(client: Client, scope: Scope) -> None:
    yu = make_staff("Yu", role=Role.MARKETER, scope=scope)
    if scope == Scope.STORE:
        Staff.objects.filter(pk=yu.pk).update(store=None)
    sign_in(client, yu)

    for stores in ([], list(Store.objects.values_list("pk", flat=True))):
        answer = client.post("/posts/new/", typed(go="schedule", stores=stores))
        assert answer.status_code == 400
    assert "your role reaches none" in client.post("/posts/new/", typed()).text
    assert not Post.objects.exists()


def test_what_lies_beyond_todays_scope_is_not_scheduled(client: Client) -> None:
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=make_store("North"))
    post = make_post(created_by=yu)  # made while they still saw the whole company
    sign_in(client, yu)

    answer = client.post(f"/posts/{post.pk}/schedule/", {"when": "now"})

    assert answer.status_code == 400
    assert "reaches beyond your scope" in answer.text
    assert fresh(post).state == PostState.DRAFT


# --- changing -----------------------------------------------------------------------------------


def test_a_draft_is_changed(marketer: Client, yan: Staff) -> None:
    content = make_content("Old", attachments=[{"kind": "image", "media": make_media().pk}])
    post = make_post(content=content)
    north, tag = make_store("North"), known_tag()
    said = typed(
        kind="moment", name="Hats", text="New", stores=[north.pk], tags=[tag.pk],
        seen=seen_of(marketer, post), **inputs_of(content.attachments),
    )  # fmt: skip

    marketer.post(f"/posts/{post.pk}/edit/", said)

    fresh(post)
    assert (post.kind, post.name, post.words) == ("moment", "Hats", "New")
    assert post.content.attachments == content.attachments
    assert (list(post.stores.all()), list(post.tags.all())) == ([north], [tag])
    content.refresh_from_db()
    assert content.text == "Old"
    assert HistoryEntry.objects.get(action="post.changed").actor == yan


def test_a_post_with_a_picture_needs_no_words(marketer: Client) -> None:
    post = make_post(
        content=make_content("Old", attachments=[{"kind": "image", "media": make_media().pk}])
    )

    said = typed(text="", seen=seen_of(marketer, post), **inputs_of(post.enclosed))
    marketer.post(f"/posts/{post.pk}/edit/", said)

    assert fresh(post).words == ""


def test_of_two_people_who_change_a_draft_the_second_is_told(marketer: Client) -> None:
    post = make_post()
    seen = seen_of(marketer, post)
    marketer.post(f"/posts/{post.pk}/edit/", typed(name="First", seen=seen))

    answer = marketer.post(f"/posts/{post.pk}/edit/", typed(name="Second", seen=seen))

    assert answer.status_code == 409
    assert "Somebody else has changed this post" in answer.text
    assert 'value="Second"' in answer.text
    assert fresh(post).name == "First"


def test_only_a_draft_is_changed(marketer: Client) -> None:
    post = make_post()
    seen = seen_of(marketer, post)
    marketer.post(f"/posts/{post.pk}/schedule/", {"when": "now"})

    assert marketer.get(f"/posts/{post.pk}/edit/")["Location"] == f"/posts/{post.pk}/"
    answer = marketer.post(f"/posts/{post.pk}/edit/", typed(name="Late", seen=seen))

    assert answer.status_code == 409
    assert "no draft any more" in answer.text
    assert fresh(post).name == "Coats"


# --- whom it reaches ----------------------------------------------------------------------------


def test_it_is_counted_who_would_send_a_post_to_chats(marketer: Client) -> None:
    north = make_store("North")
    lin, mei = make_staff("Lin", store=north), make_staff("Mei")
    make_chat(lin, members=40)
    make_chat(lin, members=20)
    make_chat(mei, members=5)
    make_chat()  # waits for an owner

    whole = marketer.get("/posts/reach/?kind=group").context["reach"]
    part = marketer.get(f"/posts/reach/?kind=group&stores={north.pk}").context["reach"]

    assert (whole.targets, whole.staff, whole.people) == (3, 2, 65)
    assert (part.targets, part.staff, part.people) == (2, 1, 60)


def test_it_is_counted_who_would_publish_a_moment_and_who_may_see_it(marketer: Client) -> None:
    lin, tag = make_staff("Lin"), known_tag()
    customers = make_customers(3, owner=lin, followed=True)
    make_customers(2, owner=make_staff("Mei"))  # in no WeCom
    customers[0].carried_tags.create(tag=tag, added_at=timezone.now())

    everybody = marketer.get("/posts/reach/?kind=moment").context["reach"]
    tagged = marketer.get(f"/posts/reach/?kind=moment&tags={tag.pk}").context["reach"]

    assert (everybody.targets, everybody.people) == (1, 3)
    assert (tagged.targets, tagged.people) == (1, 1)


def test_a_page_counts_what_is_ahead_and_what_was_reached(marketer: Client) -> None:
    make_chat(make_staff("Lin"), members=40)
    make_chat(make_staff("Mei"), members=20)
    draft, out = make_post(), planned()
    PostTarget.objects.filter(chat__members=20).update(state=TargetState.SENT)

    assert marketer.get(f"/posts/{draft.pk}/reach/").context["reach"].people == 60
    assert marketer.get(f"/posts/{out.pk}/reach/").context["reach"].people == 20
    assert marketer.get(f"/posts/{out.pk}/?reach=now").context["reach"].targets == 1


def test_a_moment_has_reached_the_customers_of_those_who_published_it(marketer: Client) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(3, owner=lin, followed=True)
    make_customers(2, owner=mei, followed=True)
    post = planned(PostKind.MOMENT)
    PostTarget.objects.filter(staff=lin).update(state=TargetState.SENT)

    reach = marketer.get(f"/posts/{post.pk}/reach/").context["reach"]

    assert (reach.targets, reach.people) == (1, 3)


def test_nobody_to_send_it_is_said(marketer: Client) -> None:
    assert "No group chat would get it" in marketer.get("/posts/reach/?kind=group").text
    assert "Nobody would be asked" in marketer.get("/posts/reach/?kind=moment").text
    assert "Select a valid choice" in marketer.get("/posts/reach/?kind=fax").text


# --- Today --------------------------------------------------------------------------------------


def today_of(client: Client, staff: Staff) -> str:
    return sign_in(client, staff).get("/").text


def test_a_guide_sees_what_waits_to_be_sent_or_published(client: Client) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_chat(lin)
    make_chat(lin)
    make_customers(1, owner=lin, followed=True)
    planned(name="Blue coats")
    planned(PostKind.MOMENT, name="Red coats")

    page = today_of(client, lin)

    assert "Posts waiting for you" in page
    assert "Blue coats" in page
    assert "for 2 of your group chats" in page
    assert "Red coats" in page
    assert "a moment for your customers" in page
    assert "Posts waiting for you" not in today_of(client, mei)


def test_what_is_sent_published_or_cancelled_waits_for_nobody(client: Client) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    for person in (lin, mei):
        make_customers(1, owner=person, followed=True)
    make_chat(lin)
    chats, moment = planned(name="Blue coats"), planned(PostKind.MOMENT, name="Red coats")
    PostShare.objects.filter(post=chats).update(confirmed_at=timezone.now())
    PostTarget.objects.filter(share__post=moment, staff=lin).update(state=TargetState.SENT)
    PostShare.objects.filter(post=moment).update(confirmed_at=timezone.now())

    assert "Posts waiting for you" not in today_of(client, lin)
    assert "Red coats" in today_of(client, mei)

    Post.objects.update(state=PostState.CANCELLED, closed_at=timezone.now())
    assert "Red coats" not in today_of(client, mei)


def test_a_marketer_sees_the_posts_under_way(client: Client, yan: Staff) -> None:
    lin = make_staff("Lin")
    make_chat(lin)
    make_customers(1, owner=lin, followed=True)
    planned(name="Blue coats")
    planned(PostKind.MOMENT, name="Red coats")
    later = timezone.now() + timedelta(days=1)
    make_post("Green coats", state=PostState.SCHEDULED, send_at=later)
    make_post("Only a draft")
    PostTarget.objects.filter(chat=None).update(state=TargetState.SENT)

    page = today_of(client, yan)

    assert "Posts under way" in page
    assert "sent to 0 of 1 chat" in page
    assert "published by 1 of 1 colleague" in page
    assert "Green coats" in page
    assert "Only a draft" not in page
    assert "Posts under way" not in today_of(client, lin)


def test_what_is_out_of_scope_or_over_is_not_under_way(client: Client, yan: Staff) -> None:
    make_chat(make_staff("Lin"))
    planned(name="Blue coats")

    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE)
    assert "Blue coats" not in today_of(client, yu)
    Post.objects.update(state=PostState.DONE, closed_at=timezone.now())
    assert "Posts under way" not in today_of(client, yan)


def test_today_takes_the_same_queries_for_1_and_8_posts(client: Client, yan: Staff) -> None:
    make_chat(make_staff("Lin"))
    sign_in(client, yan)
    planned()
    few = queries_for(client, "/")
    for _number in range(7):
        planned()

    assert queries_for(client, "/") == few
