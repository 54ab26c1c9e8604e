"""The screens of posts: the list, the form, the page that steers, and what waits on Today."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.actions.posts.life import plan_post
from campaigns.enums import BatchState, DeliveryReason, PostKind, PostState, TargetState
from campaigns.models import Post, PostShare, PostTarget
from contacts.enums import CustomerState, Role, Scope
from contacts.models import HistoryEntry, Staff, Store, Tag
from crm.forms.attachments import inputs_of
from tests.builders import (
    make_chat,
    make_content,
    make_customer,
    make_customers,
    make_media,
    make_post,
    make_reaction,
    make_staff,
    make_store,
    make_tag,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

VERBS = ("schedule", "unschedule", "cancel", "remind", "refresh")
READ = ("", "edit/", "reach/", "progress/", "reactions/")


@pytest.fixture
def tao() -> Staff:
    return make_staff("Tao", role=Role.MARKETER)


@pytest.fixture
def marketer(client: Client, tao: Staff) -> Client:
    return sign_in(client, tao)


def local(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M")


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


def planned(kind: PostKind = PostKind.GROUP, **fields: Any) -> Post:
    """A post that has gone to WeCom, and now waits for the colleagues."""
    now = timezone.now() - timedelta(hours=1)
    post = make_post(kind=kind, state=PostState.SCHEDULED, send_at=now, **fields)
    plan_post(post.pk, now=now)
    PostShare.objects.filter(post=post).update(
        state=BatchState.HANDED, handed_at=now, next_attempt_at=now
    )
    PostTarget.objects.filter(share__post=post).update(state=TargetState.HANDED)
    Post.objects.filter(pk=post.pk).update(state=PostState.WAITING)
    return fresh(post)


def fresh(post: Post) -> Post:
    post.refresh_from_db()
    return post


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


def test_the_list_filters_by_state_kind_author_and_words(marketer: Client, tao: Staff) -> None:
    make_post("Spring", created_by=tao, content=make_content("Blue coats"))
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


def test_a_post_is_kept_as_a_draft(marketer: Client, tao: Staff) -> None:
    north = make_store("North")

    answer = marketer.post("/posts/new/", typed(stores=[north.pk], text="One\r\nTwo"))

    post = Post.objects.get()
    assert answer["Location"] == f"/posts/{post.pk}/"
    assert (post.state, post.kind, post.words) == ("draft", "group", "One\nTwo")
    assert (post.created_by, post.send_at, list(post.stores.all())) == (tao, None, [north])


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
        ({"text": ""}, "This field is required."),
        ({"name": " "}, "This field is required."),
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


def test_a_draft_is_changed(marketer: Client, tao: Staff) -> None:
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
    assert HistoryEntry.objects.get(action="post.changed").actor == tao


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


# --- the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "state", "buttons"),
    [
        (PostKind.GROUP, PostState.DRAFT, {"schedule", "cancel"}),
        (PostKind.GROUP, PostState.SCHEDULED, {"unschedule", "cancel"}),
        (PostKind.GROUP, PostState.SENDING, {"refresh", "remind", "cancel"}),
        (PostKind.GROUP, PostState.WAITING, {"refresh", "remind", "cancel"}),
        (PostKind.MOMENT, PostState.WAITING, {"refresh", "cancel"}),
        (PostKind.GROUP, PostState.DONE, set()),
        (PostKind.GROUP, PostState.CANCELLED, set()),
    ],
)
def test_only_the_buttons_of_its_state_are_there(
    marketer: Client, kind: PostKind, state: PostState, buttons: set[str]
) -> None:
    over = state in {PostState.DONE, PostState.CANCELLED}
    now = timezone.now()
    post = make_post(kind=kind, state=state, send_at=now, closed_at=now if over else None)
    if state not in {PostState.DRAFT, PostState.SCHEDULED}:
        Post.objects.filter(pk=post.pk).update(planned_at=now)

    page = marketer.get(f"/posts/{post.pk}/").text

    assert {verb for verb in VERBS if f'action="/posts/{post.pk}/{verb}/"' in page} == buttons
    assert (f'href="/posts/{post.pk}/edit/"' in page) == (state == PostState.DRAFT)


def test_it_is_scheduled_taken_back_and_cancelled(marketer: Client) -> None:
    post = make_post()
    page, later = f"/posts/{post.pk}/", timezone.now() + timedelta(days=3)

    marketer.post(page + "schedule/", {"when": "later", "send_at": local(later)})
    assert fresh(post).state == PostState.SCHEDULED
    assert post.send_at == later.replace(second=0, microsecond=0)

    marketer.post(page + "unschedule/")
    assert fresh(post).state == PostState.DRAFT

    marketer.post(page + "cancel/")
    assert fresh(post).state == PostState.CANCELLED
    assert "cancelled before anybody was asked" in marketer.get(page).text


@pytest.mark.parametrize("said", ["", "2020-01-01T10:00", "soon", "2999-01-01T10:00"])
def test_a_time_that_cannot_be_is_refused_and_kept(marketer: Client, said: str) -> None:
    post = make_post()

    answer = marketer.post(f"/posts/{post.pk}/schedule/", {"when": "later", "send_at": said})

    assert answer.status_code == 400
    assert said in answer.text
    assert fresh(post).state == PostState.DRAFT


def test_a_button_of_an_old_page_is_answered_with_the_fresh_one(marketer: Client) -> None:
    post = make_post(state=PostState.DONE, closed_at=timezone.now())
    page = f"/posts/{post.pk}/"

    for verb in ("unschedule", "cancel"):
        assert "cannot become" in marketer.post(f"{page}{verb}/", follow=True).text
    answer = marketer.post(f"{page}schedule/", {"when": "now"}, follow=True)
    assert "cannot become" in answer.text
    assert marketer.post(page + "cancel/", headers={"HX-Request": "true"}).status_code == 409
    assert fresh(post).state == PostState.DONE


def test_the_page_shows_every_chat_and_what_became_of_it(marketer: Client) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_chat(lin, name="Friends of blue", members=40)
    make_chat(mei, name="Friends of red")
    post = planned()
    PostTarget.objects.filter(staff=mei).update(
        state=TargetState.FAILED, reason=DeliveryReason.RECEIVE_LIMIT
    )

    page = marketer.get(f"/posts/{post.pk}/")

    assert "Friends of blue" in page.text
    assert "40 members" in page.text
    assert "not sent yet" in page.text
    assert "Receive limit reached" in page.text
    assert "sent to <strong>0</strong> of 2 chats" in page.text
    failed = marketer.get(f"/posts/{post.pk}/?state=failed")
    assert [row.staff for row, _word in failed.context["targets"]] == [mei]
    named = marketer.get(f"/posts/{post.pk}/?q=BLUE")
    assert [row.staff for row, _word in named.context["targets"]] == [lin]
    assert "Nobody here" in marketer.get(f"/posts/{post.pk}/?q=nobody").text


def test_the_page_shows_who_has_published_a_moment(marketer: Client) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    for person in (lin, mei):
        make_customers(1, owner=person, followed=True)
    post = planned(PostKind.MOMENT)
    PostTarget.objects.filter(staff=lin).update(state=TargetState.SENT, sent_at=timezone.now())

    page = marketer.get(f"/posts/{post.pk}/").text

    assert "published by <strong>1</strong> of 2 colleagues" in page
    assert "WeCom has no reminder for moments" in page


def test_what_wecom_refused_and_what_is_unclear_is_said(marketer: Client) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_chat(lin)
    make_chat(mei)
    post = planned()
    PostShare.objects.filter(sender=lin).update(
        state=BatchState.REFUSED, error="invalid userid (40003)"
    )
    PostShare.objects.filter(sender=mei).update(state=BatchState.UNCLEAR)
    PostTarget.objects.filter(staff=mei).update(state=TargetState.UNCLEAR)

    page = marketer.get(f"/posts/{post.pk}/").text

    assert "WeCom refused it: invalid userid (40003)" in page
    assert "1 chat is unclear" in page


def test_the_page_takes_the_same_queries_for_3_and_33_chats(marketer: Client) -> None:
    lin = make_staff("Lin")
    for _number in range(3):
        make_chat(lin)
    few = planned()
    for _number in range(30):
        make_chat(make_staff("Mei", account=False))
    many = planned()

    assert queries_for(marketer, f"/posts/{many.pk}/") == queries_for(marketer, f"/posts/{few.pk}/")


def test_chats_are_shown_page_by_page(marketer: Client) -> None:
    lin = make_staff("Lin")
    for _number in range(53):
        make_chat(lin)
    post = planned()

    first = marketer.get(f"/posts/{post.pk}/")
    rest = marketer.get(f"/posts/{post.pk}/?after={first.context['last'].pk}")

    assert [len(answer.context["targets"]) for answer in (first, rest)] == [50, 3]
    assert rest.context["last"] is None


def test_the_live_part_asks_for_the_page_when_the_state_has_changed(marketer: Client) -> None:
    make_chat(make_staff("Lin"))
    post = planned()
    part = f"/posts/{post.pk}/progress/?was=waiting&stand="

    stand = marketer.get(f"/posts/{post.pk}/").context["stand"]
    same = marketer.get(part + stand)
    moved = marketer.get(part + "0-1")
    over = marketer.get(f"/posts/{post.pk}/progress/?was=sending&stand={stand}")

    assert "HX-Trigger" not in same
    assert "HX-Refresh" not in same
    assert moved["HX-Trigger"] == "post-moved"
    assert over["HX-Refresh"] == "true"


def test_reminding_without_wecom_is_refused_in_words(marketer: Client) -> None:
    make_chat(make_staff("Lin"))
    post = planned()

    answer = marketer.post(f"/posts/{post.pk}/remind/", follow=True)

    assert "WeCom is not set up." in answer.text
    assert PostShare.objects.get().reminders == 0


def test_moments_are_not_reminded_of(marketer: Client) -> None:
    make_customers(1, owner=make_staff("Lin"), followed=True)
    post = planned(PostKind.MOMENT)

    answer = marketer.post(f"/posts/{post.pk}/remind/", follow=True)

    assert "WeCom has no reminder for moments" in answer.text
    assert not HistoryEntry.objects.filter(action="post.reminded").exists()


def test_asking_wecom_makes_its_shares_due(marketer: Client) -> None:
    make_chat(make_staff("Lin"))
    post = planned()
    PostShare.objects.update(next_attempt_at=timezone.now() + timedelta(hours=3))

    answer = marketer.post(f"/posts/{post.pk}/refresh/", follow=True)

    assert "WeCom is being asked." in answer.text
    due = PostShare.objects.get().next_attempt_at
    assert due
    assert due <= timezone.now()


def test_the_pages_are_free_of_inline_code_and_style(marketer: Client) -> None:
    evil = "<script>alert(1)</script>"
    make_chat(make_staff("Lin"), name=evil)
    draft, out = make_post(evil, content=make_content(evil)), planned()

    places = ("", "new/", f"{draft.pk}/", f"{draft.pk}/edit/", f"{out.pk}/", f"{out.pk}/reach/")
    for place in places:
        page = marketer.get(f"/posts/{place}").text
        for forbidden in ("style=", "<script>", "<style", "onclick", "javascript:"):
            assert forbidden not in page, place


# --- comments and likes ---------------------------------------------------------------------------


def moment_of(*people: Staff) -> Post:
    """A moment that all of these have published, and that people like."""
    for person in people:
        make_customers(1, owner=person, followed=True)
    post = planned(PostKind.MOMENT)
    now = timezone.now()
    PostTarget.objects.filter(share__post=post).update(
        state=TargetState.SENT,
        sent_at=now,
        customer_likes=3,
        staff_likes=1,
        customer_comments=2,
        reactions_read_at=now,
        reactions_due_at=now + timedelta(hours=1),
    )
    return post


def test_comments_and_likes_are_added_up_by_whose_they_are(marketer: Client) -> None:
    post = moment_of(make_staff("Lin"), make_staff("Mei"))

    page = marketer.get(f"/posts/{post.pk}/")

    counts = page.context["reactions"].counts
    assert (counts.customer_likes, counts.staff_likes) == (6, 2)
    assert (counts.customer_comments, counts.staff_comments) == (4, 0)
    assert page.text.count("4 likes · 2 comments") == 2
    assert "8 likes · 4 comments" in marketer.get("/posts/").text


def test_posts_without_published_moments_speak_of_no_likes(marketer: Client) -> None:
    make_chat(make_staff("Lin"))
    make_customers(1, owner=make_staff("Mei"), followed=True)
    chats, moment = planned(), planned(PostKind.MOMENT)
    PostTarget.objects.filter(share__post=chats).update(state=TargetState.SENT)

    for post in (make_post(), chats, moment):
        assert "Comments and likes" not in marketer.get(f"/posts/{post.pk}/").text


def test_a_moment_that_is_done_can_be_asked_about_while_it_is_read(marketer: Client) -> None:
    post = moment_of(make_staff("Lin"))
    now = timezone.now()
    Post.objects.filter(pk=post.pk).update(state=PostState.DONE, closed_at=now)
    rows = PostTarget.objects.filter(share__post=post)
    rows.update(reactions_read_at=now - timedelta(hours=2))

    assert "Ask WeCom now" in marketer.get(f"/posts/{post.pk}/").text
    marketer.post(f"/posts/{post.pk}/refresh/")
    due = rows.get().reactions_due_at
    assert due
    assert due <= timezone.now()

    rows.update(reactions_due_at=None)
    page = marketer.get(f"/posts/{post.pk}/").text
    assert "Ask WeCom now" not in page
    assert "WeCom is not asked any more." in page


def test_whoever_reacted_is_named_and_customers_are_linked(marketer: Client) -> None:
    lin = make_staff("Lin")
    post = moment_of(lin)
    target = PostTarget.objects.get(share__post=post)
    chen = make_customer("Chen", address="wm-chen")
    make_customer("Old", address="wm-old", state=CustomerState.MERGED, merged_into=chen)
    make_reaction(target, "wm-chen", kind="comment", times=3)
    make_reaction(target, "wm-old")
    make_reaction(target, "wm-<unknown>")
    make_reaction(target, lin.wecom_userid or "", by_staff=True)

    page = marketer.get(f"/posts/{post.pk}/reactions/").text

    assert page.count(f'href="/customers/{chen.pk}/"') == 2
    assert "Comment × 3" in page
    assert "wm-&lt;unknown&gt;" in page
    assert "at the moment of Lin" in page
    assert "not named" not in page
    likes = marketer.get(f"/posts/{post.pk}/reactions/?state=like").context["rows"]
    assert {row.kind for row in likes} == {"like"}
    assert f"/posts/{post.pk}/reactions/" in marketer.get(f"/posts/{post.pk}/").text


def test_customers_out_of_sight_are_figures_only(client: Client) -> None:
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE)
    post = moment_of(yu)
    Post.objects.filter(pk=post.pk).update(created_by=yu)
    target = PostTarget.objects.get(share__post=post)
    make_customer("Chen", owner=yu, address="wm-chen")
    make_customer("Zhao", store=make_store("Xidan"), address="wm-zhao")
    for address in ("wm-chen", "wm-zhao", "wm-unknown"):
        make_reaction(target, address)
    make_reaction(target, yu.wecom_userid or "", by_staff=True)

    page = sign_in(client, yu).get(f"/posts/{post.pk}/reactions/")

    assert [row.who_customer_name or row.who_staff_name for row in page.context["rows"]] == [
        "Yu", "Chen",
    ]  # fmt: skip
    assert "Zhao" not in page.text
    assert "wm-unknown" not in page.text
    assert "counted and not named" in page.text
    assert "4 likes" in page.text


def test_pages_of_who_reacted_go_through_all_once_with_the_same_queries(marketer: Client) -> None:
    post = moment_of(make_staff("Lin"))
    target = PostTarget.objects.get(share__post=post)
    page = f"/posts/{post.pk}/reactions/"
    assert "Nobody here" in marketer.get(page).text
    for number in range(3):
        make_reaction(target, f"wm-{number}")
    few = queries_for(marketer, page)
    for number in range(3, 60):
        make_reaction(target, f"wm-{number}")
    assert queries_for(marketer, page) == few

    first = marketer.get(page).context
    second = marketer.get(page, {"after": first["last"].pk}).context
    seen = [row.address for row in (*first["rows"], *second["rows"])]
    assert sorted(seen) == sorted(f"wm-{number}" for number in range(60))
    assert second["last"] is None


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


def test_a_marketer_sees_the_posts_under_way(client: Client, tao: Staff) -> None:
    lin = make_staff("Lin")
    make_chat(lin)
    make_customers(1, owner=lin, followed=True)
    planned(name="Blue coats")
    planned(PostKind.MOMENT, name="Red coats")
    later = timezone.now() + timedelta(days=1)
    make_post("Green coats", state=PostState.SCHEDULED, send_at=later)
    make_post("Only a draft")
    PostTarget.objects.filter(chat=None).update(state=TargetState.SENT)

    page = today_of(client, tao)

    assert "Posts under way" in page
    assert "sent to 0 of 1 chat" in page
    assert "published by 1 of 1 colleague" in page
    assert "Green coats" in page
    assert "Only a draft" not in page
    assert "Posts under way" not in today_of(client, lin)


def test_what_is_out_of_scope_or_over_is_not_under_way(client: Client, tao: Staff) -> None:
    make_chat(make_staff("Lin"))
    planned(name="Blue coats")

    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE)
    assert "Blue coats" not in today_of(client, yu)
    Post.objects.update(state=PostState.DONE, closed_at=timezone.now())
    assert "Posts under way" not in today_of(client, tao)


def test_today_takes_the_same_queries_for_1_and_8_posts(client: Client, tao: Staff) -> None:
    make_chat(make_staff("Lin"))
    sign_in(client, tao)
    planned()
    few = queries_for(client, "/")
    for _number in range(7):
        planned()

    assert queries_for(client, "/") == few
