"""What WeCom tells us, from the signed request to what it leads to."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.actions.welcomes import send_welcome, write_off_welcomes
from campaigns.enums import WelcomeState
from campaigns.models import Welcome, WelcomeRule
from connectors.wecom.callback import seal_check, seal_envelope
from contacts.actions.departures import depart_staff
from contacts.enums import CallbackState, FollowEnd, IdentityKind, StaffState
from contacts.models import Callback, Customer, Follow, GroupChat, Handover, Identity, Loss, Staff
from contacts.wecom import wecom_config
from crm.actions.callbacks import ATTEMPTS, process_callback, replay_dead_callbacks
from crm.actions.sweeping import do_what_is_due
from tests.builders import make_code, make_content, make_customers, make_staff, make_tag
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db

URL = "/callbacks/wecom/"


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


@pytest.fixture
def lin(shop: Shop) -> Staff:
    return make_staff("Lin")


def event(
    change: str, /, *, at: int | None = None, kind: str = "change_external_contact", **fields: Any
) -> str:
    when = int(timezone.now().timestamp()) if at is None else at
    more = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items())
    return (
        f"<xml><ToUserName><![CDATA[ww1]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
        f"<CreateTime>{when}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[{kind}]]></Event><ChangeType><![CDATA[{change}]]></ChangeType>{more}</xml>"
    )


def added(staff: Staff, address: str = "woChen", **fields: str) -> str:
    values: dict[str, Any] = {"UserID": staff.wecom_userid or "", "ExternalUserID": address}
    return event("add_external_contact", **values | fields)


def tell(client: Client, xml: str) -> Any:
    config = wecom_config()
    assert config
    sealed = seal_envelope(config, xml, timestamp=int(timezone.now().timestamp()), nonce="n")
    return client.post(URL, sealed.body, content_type="text/xml", query_params=sealed.query)


def work(minutes: float = 0) -> None:
    """Work on everything that is due by then."""
    now = timezone.now() + timedelta(minutes=minutes)
    due = Callback.objects.filter(state=CallbackState.RECEIVED, next_attempt_at__lte=now)
    for pk in due.order_by("pk").values_list("pk", flat=True):
        process_callback(pk, now=now)


def test_the_check_of_our_address_is_answered_with_the_plain_text(
    client: Client, shop: Shop
) -> None:
    config = wecom_config()
    assert config
    check = seal_check(config, "1616140317555161061", timestamp=1, nonce="n")

    answer = client.get(URL, query_params=check.query)

    assert (answer.status_code, answer.content) == (200, b"1616140317555161061")


@pytest.mark.parametrize("broken", ["signature", "body", "nothing"])
def test_what_wecom_did_not_sign_leaves_no_trace(client: Client, lin: Staff, broken: str) -> None:
    config = wecom_config()
    assert config
    sealed = seal_envelope(config, added(lin), timestamp=1, nonce="n")
    query = sealed.query | ({"msg_signature": "0" * 40} if broken == "signature" else {})
    body = sealed.body.replace(b"<Encrypt>", b"<Encrypt>AAAA") if broken == "body" else sealed.body

    answer = client.post(
        URL,
        b"" if broken == "nothing" else body,
        content_type="text/xml",
        query_params={} if broken == "nothing" else query,
    )

    assert (answer.status_code, answer.content) == (400, b"")
    assert not Callback.objects.exists()


def test_without_wecom_there_is_no_such_address(client: Client) -> None:
    assert client.get(URL).status_code == 404


def test_a_repeated_callback_is_stored_once_and_has_one_effect(client: Client, lin: Staff) -> None:
    xml = added(lin)

    answers = [tell(client, xml).status_code for _time in range(3)]
    work()
    work()

    assert answers == [200, 200, 200]
    assert Callback.objects.get().state == CallbackState.DONE
    assert Customer.objects.get().owner == lin
    assert Follow.objects.active().count() == 1


def test_a_scan_brings_owner_follow_and_tags_and_is_greeted_once(
    client: Client, shop: Shop, lin: Staff
) -> None:
    vip = make_tag("VIP")
    code = make_code(staff=[lin], tags=[vip])
    WelcomeRule.objects.create(
        contact_code=code, content=make_content("Hello {customer}, this is {guide}.")
    )
    shop.open(lin)
    shop.control.scan(
        [{"external_userid": "woChen", "name": "Chen"}], userid=lin.wecom_userid or ""
    )
    (row,) = shop.control.rows("callbacks")
    welcome_code = row["fields"]["WelcomeCode"] if "fields" in row else _code_in(row)

    tell(client, added(lin, State=code.state, WelcomeCode=welcome_code))
    work()
    welcome = Welcome.objects.get()
    assert send_welcome(welcome.pk, now=timezone.now()) is True
    assert send_welcome(welcome.pk, now=timezone.now()) is False

    customer = Identity.objects.get(kind=IdentityKind.WECOM, value="woChen").customer
    welcome.refresh_from_db()
    assert (customer.owner, customer.name) == (lin, "Chen")
    assert list(customer.carried_tags.values_list("tag", flat=True)) == [vip.pk]
    assert (welcome.state, welcome.code) == (WelcomeState.SENT, "")
    (greeting,) = shop.control.rows("welcomes")
    assert greeting["external_userid"] == "woChen"
    assert "Hello Chen, this is Lin." in str(greeting)
    assert shop.violations() == []


def _code_in(row: dict[str, object]) -> str:
    return str(row).split("WelcomeCode")[1].split("[CDATA[")[1].split("]")[0]


@pytest.mark.parametrize(
    "fault",
    [
        {"fail": [{"path": "externalcontact/send_welcome_msg", "errcode": -1, "times": 1}]},
        {"lose": [{"path": "externalcontact/send_welcome_msg", "times": 1}]},
    ],
)
def test_a_greeting_that_went_astray_is_tried_again_and_arrives_once(
    client: Client, shop: Shop, lin: Staff, fault: dict[str, object]
) -> None:
    WelcomeRule.objects.create(content=make_content("Welcome"))
    shop.open(lin)
    shop.control.scan(
        [{"external_userid": "woChen", "name": "Chen"}], userid=lin.wecom_userid or ""
    )
    (row,) = shop.control.rows("callbacks")
    tell(client, added(lin, WelcomeCode=_code_in(row)))
    work()
    welcome = Welcome.objects.get()
    shop.control.faults(**fault)

    send_welcome(welcome.pk, now=timezone.now())
    welcome.refresh_from_db()
    assert welcome.state == WelcomeState.PENDING
    send_welcome(welcome.pk, now=timezone.now())

    welcome.refresh_from_db()
    assert welcome.state == WelcomeState.SENT
    assert len(shop.control.rows("welcomes")) == 1


def test_a_code_that_came_too_late_is_never_used(client: Client, shop: Shop, lin: Staff) -> None:
    WelcomeRule.objects.create(content=make_content("Welcome"))
    late = int(timezone.now().timestamp()) - 30
    xml = event(
        "add_external_contact",
        at=late,
        UserID=lin.wecom_userid or "",
        ExternalUserID="woChen",
        WelcomeCode="old",
    )
    tell(client, xml)
    work()
    welcome = Welcome.objects.get()

    assert send_welcome(welcome.pk, now=timezone.now()) is False
    write_off_welcomes(now=timezone.now())

    welcome.refresh_from_db()
    assert welcome.state == WelcomeState.EXPIRED
    assert shop.control.rows("welcomes") == []


def test_without_a_rule_the_outcome_says_so(client: Client, lin: Staff) -> None:
    tell(client, added(lin, WelcomeCode="code"))
    work()

    assert Welcome.objects.get().state == WelcomeState.NO_RULE


def test_a_colleague_we_did_not_know_is_hired_rather_than_the_customer_lost(
    client: Client, shop: Shop
) -> None:
    xml = event("add_external_contact", UserID="NewGuide", ExternalUserID="woChen")

    tell(client, xml)
    work()

    assert Customer.objects.get().owner == Staff.objects.get(wecom_userid="NewGuide")


def test_in_whatever_order_events_come_the_end_is_the_same(client: Client, lin: Staff) -> None:
    start = int(timezone.now().timestamp()) - 300
    who = {"UserID": lin.wecom_userid or "", "ExternalUserID": "woChen"}
    events = [
        event("add_external_contact", at=start, **who),
        event("del_follow_user", at=start + 60, **who),
        event("add_external_contact", at=start + 120, **who),
        event("del_external_contact", at=start + 180, **who),
    ]
    ends = set()
    for order in itertools.permutations(events):
        Callback.objects.all().delete()
        Loss.objects.all().delete()
        Follow.objects.all().delete()
        for xml in order:
            tell(client, xml)
            work()
        for minutes in range(1, 8):
            work(minutes)
        done = Callback.objects.filter(state="done").count()
        lost = Loss.objects.filter(state="open").count()
        ends.add((Follow.objects.active().count(), done, lost))

    assert ends == {(0, 4, 1)}


def test_a_customer_who_removes_the_guide_keeps_the_owner(client: Client, lin: Staff) -> None:
    tell(client, added(lin))
    work()
    gone = int(timezone.now().timestamp()) + 1
    tell(
        client,
        event("del_follow_user", at=gone, UserID=lin.wecom_userid or "", ExternalUserID="woChen"),
    )
    work()

    assert Follow.objects.get().end_reason == FollowEnd.REMOVED_BY_CUSTOMER
    assert Customer.objects.get().owner == lin


def test_somebody_removed_in_wecom_departs_and_the_customers_are_safe(
    client: Client, lin: Staff
) -> None:
    make_customers(3, owner=lin, followed=True)
    xml = event("delete_user", kind="change_contact", UserID=lin.wecom_userid or "")

    tell(client, xml)
    work()

    lin.refresh_from_db()
    assert lin.state == StaffState.DEPARTED
    assert lin.left_channel_at
    assert Handover.objects.get(from_staff=lin).size == 3


def test_who_has_departed_by_the_managers_button_departs_no_second_time(
    client: Client, lin: Staff
) -> None:
    make_customers(3, owner=lin)
    depart_staff(lin.pk, actor=None, now=timezone.now())

    tell(client, event("delete_user", kind="change_contact", UserID=lin.wecom_userid or ""))
    work()

    assert Callback.objects.get().state == CallbackState.DONE
    assert Handover.objects.filter(from_staff=lin).count() == 1


def test_a_callback_nobody_can_work_on_is_kept_and_can_be_replayed(
    client: Client, lin: Staff
) -> None:
    tell(client, event("del_follow_user", UserID=lin.wecom_userid or "", ExternalUserID="woNobody"))
    for attempt in range(ATTEMPTS + 1):
        row = Callback.objects.get()
        process_callback(row.pk, now=row.next_attempt_at)
        assert row.attempts <= attempt
    assert Callback.objects.get().state in {CallbackState.DEAD, CallbackState.DONE}

    Callback.objects.update(state=CallbackState.DEAD)
    assert replay_dead_callbacks(now=timezone.now()) == 1
    assert Callback.objects.get().state == CallbackState.RECEIVED


def test_an_unknown_event_is_simply_done(client: Client, shop: Shop) -> None:
    tell(client, event("something_new", kind="brand_new"))
    work()

    assert Callback.objects.get().state == CallbackState.DONE


def test_chats_are_learnt_of_whatever_order_their_events_come_in(
    client: Client, shop: Shop, lin: Staff
) -> None:
    shop.open(lin)
    shop.control.change_chat("wrA", "create", owner=lin.wecom_userid, name="Friends")
    told = [
        event(change, kind="change_external_chat", ChatId="wrA", UpdateDetail=detail)
        for change, detail in (("update", "change_name"), ("create", ""), ("update", "add_member"))
    ]

    for xml in (*told, told[0]):
        assert tell(client, xml).status_code == 200
    work()
    assert GroupChat.objects.get().known_at is None
    do_what_is_due(now=timezone.now())

    chat = GroupChat.objects.get()
    assert (chat.owner, chat.name, chat.look_at) == (lin, "Friends", None)
    shop.control.change_chat("wrA", "dismiss")
    tell(client, event("dismiss", kind="change_external_chat", ChatId="wrA"))
    do_what_is_due(now=timezone.now())
    do_what_is_due(now=timezone.now())
    chat.refresh_from_db()
    assert chat.dismissed_at
