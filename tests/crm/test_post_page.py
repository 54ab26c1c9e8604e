"""The page of a post: what became of it, what steers it, comments and likes."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.enums import BatchState, DeliveryReason, PostKind, PostState, TargetState
from campaigns.models import Post, PostShare, PostTarget
from contacts.enums import CustomerState, Role, Scope
from contacts.models import HistoryEntry, Staff
from tests.builders import (
    make_chat,
    make_content,
    make_customer,
    make_customers,
    make_post,
    make_reaction,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)
from tests.crm.posting import fresh, local, planned

pytestmark = pytest.mark.django_db

VERBS = ("schedule", "unschedule", "cancel", "remind", "refresh")


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


@pytest.mark.parametrize("kind", PostKind)
def test_what_is_unclear_of_a_cancelled_post_is_not_promised_again(
    marketer: Client, kind: PostKind
) -> None:
    lin = make_staff("Lin")
    make_chat(lin)
    make_customers(1, owner=lin, followed=True)
    post = planned(kind)
    PostShare.objects.update(state=BatchState.UNCLEAR)
    PostTarget.objects.update(state=TargetState.UNCLEAR)
    before = marketer.get(f"/posts/{post.pk}/").text

    marketer.post(f"/posts/{post.pk}/cancel/")

    page = marketer.get(f"/posts/{post.pk}/").text
    assert "again only if" in before
    assert "again only if" not in page
    assert "it is not" in page


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
