"""Posts to group chats and moments against the sandbox: over HTTP, with faults."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions.parts import LEASE, LOOK_EVERY
from campaigns.actions.posts.following import (
    check_post,
    posts_to_check,
    posts_to_send,
    refresh_post,
    remind_post,
)
from campaigns.actions.posts.life import (
    cancel_post,
    create_post,
    plan_post,
    schedule_post,
    unschedule_post,
)
from campaigns.actions.posts.sending import claim_share, expire_share_leases, pump_post
from campaigns.enums import BatchState, DeliveryReason, PostKind, PostState, TargetState
from campaigns.models import Post, PostShare, PostTarget
from contacts.errors import MovedOn, RuleBroken
from contacts.models import HistoryEntry, Staff
from crm.actions.departures import let_go
from tests.builders import make_content, make_customers, make_staff, make_store, make_tag
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db

PATH = "externalcontact/add_msg_template"
MOMENT = "externalcontact/add_moment_task"


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def draft(kind: PostKind, text: str = "New coats are here.", **more: Any) -> Post:
    given: dict[str, Any] = {"stores": [], "content": make_content(text), **more}
    return create_post(kind=kind, name="Coats", actor=None, now=timezone.now(), **given)


def send(kind: PostKind, **more: Any) -> Post:
    post = draft(kind, **more)
    schedule_post(post, send_at=timezone.now(), actor=None, now=timezone.now())
    pump_post(post.pk)
    return fresh(post)


def fresh(post: Post) -> Post:
    post.refresh_from_db()
    return post


def later(post: Post, **ahead: int) -> None:
    check_post(post.pk, now=timezone.now() + timedelta(**ahead))


def states(post: Post) -> dict[str, str]:
    rows = PostTarget.objects.filter(share__post=post)
    return dict(rows.values_list("address", "state"))


def chat_owner(shop: Shop, name: str, *chats: str, **fields: Any) -> Staff:
    person = make_staff(name, **fields)
    shop.open(person)
    shop.open_chats(person, *chats)
    return person


def test_each_owner_is_asked_to_send_to_their_own_chats(shop: Shop) -> None:
    chat_owner(shop, "Lin", "c1", "c2")
    chat_owner(shop, "Mei", "c3")

    post = send(PostKind.GROUP)

    assert (post.state, post.text) == (PostState.WAITING, "New coats are here.")
    messages = shop.control.rows("messages")
    assert [(m["chat_type"], list(m["tasks"][0]["recipients"])) for m in messages] == [
        ("group", ["c1", "c2"]),
        ("group", ["c3"]),
    ]
    assert set(states(post).values()) == {TargetState.HANDED}


def test_chats_get_it_once_their_owner_confirms(shop: Shop) -> None:
    lin = chat_owner(shop, "Lin", "c1", "c2")
    chat_owner(shop, "Mei", "c3")
    post = send(PostKind.GROUP)
    shop.control.advance(300)
    shop.control.confirm(userid=lin.wecom_userid or "")

    later(post, minutes=5)

    assert states(post) == {"c1": "sent", "c2": "sent", "c3": "handed"}
    assert fresh(post).state == PostState.WAITING
    shop.control.confirm()
    later(post, minutes=20)
    assert fresh(post).state == PostState.DONE
    assert not posts_to_check(timezone.now() + timedelta(days=1))


def test_only_the_chosen_stores_are_meant(shop: Shop) -> None:
    north = make_store("North")
    chat_owner(shop, "Lin", "c1", store=north)
    chat_owner(shop, "Mei", "c2", store=make_store("South"))

    post = send(PostKind.GROUP, stores=[north])

    assert list(states(post)) == ["c1"]


def test_a_share_whose_answer_was_lost_is_found_and_not_sent_twice(shop: Shop) -> None:
    chat_owner(shop, "Lin", "c1")
    shop.control.faults(lose=[{"path": PATH, "times": 1, "how": "close"}])

    post = send(PostKind.GROUP)

    assert states(post) == {"c1": "unclear"}
    shop.control.advance(300)
    later(post, minutes=5)
    assert states(post) == {"c1": "handed"}
    assert len(shop.control.rows("messages")) == 1


def test_a_share_that_wecom_never_got_goes_again_after_two_looks(shop: Shop) -> None:
    chat_owner(shop, "Lin", "c1")
    post = draft(PostKind.GROUP)
    now = timezone.now()
    schedule_post(post, send_at=now, actor=None, now=now)
    plan_post(post.pk, now=now)
    assert claim_share(post.pk, now=now)
    expire_share_leases(now=now + LEASE * 2)  # the worker died before it made the call

    later(post, minutes=5)
    assert states(post) == {"c1": "unclear"}
    later(post, minutes=10)
    assert states(post) == {"c1": "queued"}

    assert posts_to_send(now + timedelta(minutes=11)) == [post.pk]
    PostShare.objects.update(next_attempt_at=now)
    pump_post(post.pk)
    assert states(post) == {"c1": "handed"}
    assert len(shop.control.rows("messages")) == 1


def test_a_worker_that_dies_leaves_an_unclear_share(shop: Shop) -> None:
    chat_owner(shop, "Lin", "c1")
    post = draft(PostKind.GROUP)
    now = timezone.now()
    schedule_post(post, send_at=now, actor=None, now=now)
    pump_post(post.pk)
    PostShare.objects.update(state=BatchState.WAITING, next_attempt_at=now)
    PostTarget.objects.update(state=TargetState.QUEUED)
    share = claim_share(post.pk, now=now)
    assert share is not None

    assert expire_share_leases(now=now + LEASE / 2) == 0
    assert expire_share_leases(now=now + LEASE * 2) == 1

    share.refresh_from_db()
    assert share.state == BatchState.UNCLEAR
    assert claim_share(post.pk, now=now + LEASE * 3) is None
    assert share.next_attempt_at == now + LEASE * 2 + LOOK_EVERY


def test_a_moment_asks_everybody_with_customers_in_one_call(shop: Shop) -> None:
    lin, mei, wei = make_staff("Lin"), make_staff("Mei"), make_staff("Wei")
    for person in (lin, mei):
        make_customers(1, owner=person, followed=True)
    shop.open(lin, mei, wei)

    post = send(PostKind.MOMENT)

    assert set(states(post)) == {lin.wecom_userid, mei.wecom_userid}
    (moment,) = shop.control.rows("moments")
    assert set(moment["published"]) == {lin.wecom_userid, mei.wecom_userid}
    shop.control.advance(300)
    later(post, minutes=3)
    assert PostShare.objects.get().reference == moment["moment_id"]
    shop.control.publish(userid=lin.wecom_userid or "")
    later(post, minutes=10)
    assert states(post) == {lin.wecom_userid: "sent", mei.wecom_userid: "handed"}
    shop.control.publish()
    later(post, minutes=60)
    assert fresh(post).state == PostState.DONE


def test_a_moment_whose_answer_was_lost_is_found(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(1, owner=lin, followed=True)
    shop.open(lin)
    shop.control.faults(lose=[{"path": MOMENT, "times": 1, "how": "close"}])

    post = send(PostKind.MOMENT)

    assert states(post) == {lin.wecom_userid: "unclear"}
    shop.control.advance(300)
    later(post, minutes=5)
    assert states(post) == {lin.wecom_userid: "handed"}
    assert len(shop.control.rows("moments")) == 1


def test_members_whom_wecom_does_not_let_publish_have_failed(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    for person in (lin, mei):
        make_customers(1, owner=person, followed=True)
    shop.open(lin)

    post = send(PostKind.MOMENT)
    shop.control.advance(300)
    later(post, minutes=5)

    assert states(post) == {lin.wecom_userid: "handed", mei.wecom_userid: "failed"}


def test_a_moment_is_shown_to_customers_with_the_tags_that_wecom_knows(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(1, owner=lin, followed=True)
    shop.open(lin)
    known = shop.control.seed(tags=[{"group": "Size", "names": ["S"]}])["Size"]["S"]
    tag, unknown = make_tag("S"), make_tag("Mine")
    tag.wecom_id = known
    tag.save()

    with pytest.raises(RuleBroken, match="Mine"):
        draft(PostKind.MOMENT, tags=[unknown])
    send(PostKind.MOMENT, tags=[tag])

    assert shop.control.rows("moments")[0]["tag_ids"] == [known]


def test_which_chats_got_it_is_known_although_wecom_forgets_what_was_cancelled(shop: Shop) -> None:
    lin = chat_owner(shop, "Lin", "c1")
    chat_owner(shop, "Mei", "c2")
    post = send(PostKind.GROUP)
    PostShare.objects.update(handed_at=timezone.now() - timedelta(minutes=5))
    shop.control.advance(300)
    shop.control.confirm(userid=lin.wecom_userid or "")
    shop.control.faults(forget_cancelled=1)

    cancel_post(post, actor=None, now=timezone.now())
    later(post, minutes=10)

    assert states(post) == {"c1": "sent", "c2": "cancelled"}


def test_the_chats_that_wecom_is_still_sending_to_are_followed_although_cancelled(
    shop: Shop,
) -> None:
    lin = chat_owner(shop, "Lin", "c1")
    chat_owner(shop, "Mei", "c2")
    post = send(PostKind.GROUP)
    shop.control.advance(300)
    shop.control.faults(sending_takes=600)
    shop.control.confirm(userid=lin.wecom_userid or "")

    cancel_post(post, actor=None, now=timezone.now())
    later(post, minutes=10)
    assert states(post) == {"c1": "handed", "c2": "cancelled"}
    shop.control.advance(900)
    later(post, hours=1)

    assert states(post) == {"c1": "sent", "c2": "cancelled"}


def test_cancelling_withdraws_what_is_not_confirmed(shop: Shop) -> None:
    lin = chat_owner(shop, "Lin", "c1")
    chat_owner(shop, "Mei", "c2")
    post = send(PostKind.GROUP)
    shop.control.advance(300)
    shop.control.confirm(userid=lin.wecom_userid or "")

    cancel_post(post, actor=None, now=timezone.now())
    later(post, minutes=2)
    later(post, minutes=30)

    assert states(post) == {"c1": "sent", "c2": "cancelled"}
    assert all(message["cancelled"] for message in shop.control.rows("messages"))
    with pytest.raises(MovedOn):
        cancel_post(post, actor=None, now=timezone.now())


def test_what_an_owner_who_departs_has_not_confirmed_is_withdrawn(shop: Shop) -> None:
    lin, mei = chat_owner(shop, "Lin", "c1"), chat_owner(shop, "Mei", "c2")
    chat_owner(shop, "Hua", "c3")
    post = send(PostKind.GROUP)
    shop.control.advance(300)
    shop.control.confirm(userid=mei.wecom_userid or "")

    for person in (lin, mei):
        let_go(person.pk, actor=None, now=timezone.now(), source="test")
    later(post, minutes=2)
    later(post, minutes=30)

    assert states(post) == {"c1": "cancelled", "c2": "sent", "c3": "handed"}
    left = PostTarget.objects.get(share__post=post, address="c1")
    assert left.reason == DeliveryReason.SENDER_LEFT
    withdrawn = [row for row in shop.control.rows("messages") if row["cancelled"]]
    assert [list(row["tasks"][0]["recipients"]) for row in withdrawn] == [["c1"]]


def test_nothing_is_sent_to_the_chats_of_an_owner_who_has_departed(shop: Shop) -> None:
    lin = chat_owner(shop, "Lin", "c1")
    post = draft(PostKind.GROUP)
    schedule_post(post, send_at=timezone.now(), actor=None, now=timezone.now())
    plan_post(post.pk, now=timezone.now())

    let_go(lin.pk, actor=None, now=timezone.now(), source="test")

    post.refresh_from_db()
    assert (post.state, states(post)) == ("done", {"c1": "cancelled"})
    assert shop.control.rows("messages") == []


def test_owners_are_reminded_three_times_and_moments_not_at_all(shop: Shop) -> None:
    chat_owner(shop, "Lin", "c1")
    post = send(PostKind.GROUP)
    shop.control.advance(300)

    for _time in range(3):
        assert remind_post(post, actor=None, now=timezone.now()) == 1
    with pytest.raises(RuleBroken, match="three times"):
        remind_post(post, actor=None, now=timezone.now())
    with pytest.raises(RuleBroken, match="moments"):
        remind_post(draft(PostKind.MOMENT), actor=None, now=timezone.now())

    assert shop.control.ledger()["violations_total"] == 0
    assert HistoryEntry.objects.filter(action="post.reminded").count() == 3


def test_whoever_has_left_since_is_asked_for_nothing(shop: Shop) -> None:
    lin = chat_owner(shop, "Lin", "c1")
    post = draft(PostKind.GROUP)
    now = timezone.now()
    schedule_post(post, send_at=now, actor=None, now=now)
    plan_post(post.pk, now=now)
    Staff.objects.filter(pk=lin.pk).update(state="suspended")

    pump_post(post.pk)

    assert states(post) == {"c1": "cancelled"}
    assert shop.control.rows("messages") == []
    assert fresh(post).state == PostState.DONE


@pytest.mark.parametrize(
    ("kind", "text", "attachments"),
    [
        (PostKind.GROUP, "", []),
        (PostKind.GROUP, "Hello {customer}", []),
        (PostKind.GROUP, "长" * 1400, []),
        (PostKind.MOMENT, "x" * 2001, []),
        (
            PostKind.MOMENT,
            "Two links",
            [{"kind": "link", "title": "A", "url": "https://a.example"}] * 2,
        ),
    ],
)
def test_what_wecom_would_not_take_is_not_drafted(
    kind: PostKind, text: str, attachments: list[dict[str, str]]
) -> None:
    content = make_content(text)
    content.attachments = attachments
    content.save()

    with pytest.raises(RuleBroken):
        draft(kind, content=content)

    assert not Post.objects.exists()


def test_a_scheduled_post_waits_and_can_be_taken_back(shop: Shop) -> None:
    chat_owner(shop, "Lin", "c1")
    post = draft(PostKind.GROUP)
    now = timezone.now()
    schedule_post(post, send_at=now + timedelta(hours=1), actor=None, now=now)

    assert posts_to_send(now) == []
    assert posts_to_send(now + timedelta(hours=2)) == [post.pk]
    unschedule_post(post, actor=None, now=now)
    assert pump_post(post.pk) is False
    assert fresh(post).state == PostState.DRAFT
    assert shop.control.rows("messages") == []


def test_asking_now_leaves_out_what_is_too_young(shop: Shop) -> None:
    chat_owner(shop, "Lin", "c1")
    post = send(PostKind.GROUP)
    before = PostShare.objects.get().next_attempt_at

    refresh_post(post, now=timezone.now())
    assert PostShare.objects.get().next_attempt_at == before

    refresh_post(post, now=timezone.now() + timedelta(minutes=3))
    assert PostShare.objects.get().next_attempt_at != before


@pytest.mark.parametrize("state", [BatchState.HANDED, BatchState.UNCLEAR])
def test_without_wecom_a_share_is_asked_about_later(redis: object, state: BatchState) -> None:
    with open_shop() as shop:
        chat_owner(shop, "Lin", "c1")
        post = send(PostKind.GROUP)
    soon = timezone.now() + timedelta(minutes=10)
    PostShare.objects.update(state=state, next_attempt_at=soon)

    check_post(post.pk, now=soon)

    share = PostShare.objects.get()
    assert share.state == state
    assert share.next_attempt_at is not None
    assert share.next_attempt_at > soon
