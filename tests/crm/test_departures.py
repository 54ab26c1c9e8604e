"""Somebody leaves: nothing of theirs goes on, and everything they had has somebody else."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone

from campaigns.actions.codes import codes_to_tell, order_qr_code, tell_people_on_duty
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import QuickReply
from connectors.wecom.api.contact_ways import get_contact_way
from contacts.actions.staff import (
    announce_leaving,
    call_off_leaving,
    rehire_staff,
    resume_staff,
    suspend_staff,
)
from contacts.enums import NoticeKind, Role, Scope, StaffState, TaskKind, TaskState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import ContactCode, Notice, Staff, Task
from contacts.wecom import wecom
from crm.actions.departures import FATES, leavers_due, let_go, let_go_due
from crm.invariants import check_rules
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_code,
    make_content,
    make_customer,
    make_customers,
    make_departed,
    make_department,
    make_staff,
    make_store,
    sign_in,
)
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
OURS = ("contacts", "campaigns", "crm")


def broken() -> list[str]:
    return [what for found in check_rules(now=timezone.now()) for what in found.examples]


def test_every_reference_to_a_colleague_has_a_fate() -> None:
    """A new model that points at people must say what a departure does to it."""
    found = set()
    for app in OURS:
        for model in apps.get_app_config(app).get_models():
            for field in [*model._meta.fields, *model._meta.many_to_many]:
                if field.related_model is Staff and model is not Staff:
                    found.add(f"{app}.{model.__name__}.{field.name}")

    assert found == set(FATES)


def test_no_reference_to_a_colleague_is_ever_deleted_or_emptied_with_them() -> None:
    for name in FATES:
        app, model, field = name.split(".")
        relation = apps.get_model(app, model)._meta.get_field(field)
        on_delete = getattr(relation.remote_field, "on_delete", None)
        assert on_delete is None or on_delete.__name__ in {"PROTECT", "CASCADE"}, name
        if on_delete and on_delete.__name__ == "CASCADE":
            assert name in {
                "contacts.RoleGrant.staff",
                "campaigns.CampaignDraft.staff",
                "campaigns.SeriesDraft.staff",
                "campaigns.WelcomeRule.staff",
                "crm.SavedAnswer.staff",
            }


def test_what_a_leaver_made_and_had_to_do_is_handed_on() -> None:
    hua, lin, mei = make_staff("Hua", role=Role.MANAGER), make_staff("Lin"), make_staff("Mei")
    assert lin.store
    chen = make_customer(owner=lin)
    draft = make_campaign("Draft", created_by=lin)
    scheduled = make_campaign("Soon", created_by=lin, state=CampaignState.SCHEDULED)
    over = make_campaign("Over", created_by=lin, state=CampaignState.DONE)
    reply = QuickReply.objects.create(
        title="Hours", content=make_content(), owner=lin, created_at=NOON
    )
    for customer in (chen, None):
        Task.objects.create(
            staff=lin, store=lin.store, customer=customer, text="Call", state_at=NOON
        )
    shared, alone = make_code("Both", staff=[lin, mei]), make_code("Alone", staff=[lin])

    let_go(lin.pk, actor=hua, now=LATER)

    for campaign, state in ((draft, CampaignState.DRAFT), (scheduled, CampaignState.DRAFT)):
        campaign.refresh_from_db()
        assert (campaign.created_by, campaign.state) == (hua, state)
    over.refresh_from_db()
    reply.refresh_from_db()
    assert (over.created_by, reply.owner) == (lin, hua)
    assert not Task.objects.filter(staff=lin, state=TaskState.OPEN).exists()
    assert list(shared.staff_on_duty.all()) == [mei]
    assert lin not in alone.staff_on_duty.all()
    assert alone.staff_on_duty.count() == 1
    asked = Task.objects.get(kind=TaskKind.TO_DO, text__contains="Alone")
    assert (asked.staff, asked.store) == (None, alone.store)
    assert set(codes_to_tell(LATER)) == {shared.pk, alone.pk}
    assert broken() == []


def test_sends_in_the_name_of_a_leaver_stop_and_the_figures_add_up() -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    campaign = make_campaign(state=CampaignState.SENDING, recipients=4)
    waiting = make_batch(campaign, make_customers(2, owner=lin), sender=lin)
    other = make_batch(campaign, make_customers(2, owner=mei), sender=mei)

    let_go(lin.pk, actor=None, now=LATER)

    waiting.refresh_from_db()
    other.refresh_from_db()
    assert (waiting.state, other.state) == (BatchState.CANCELLED, BatchState.WAITING)
    fates = set(waiting.deliveries.values_list("state", "reason"))
    assert fates == {(DeliveryState.CANCELLED, DeliveryReason.SENDER_LEFT)}
    assert broken() == []


def test_sessions_end_for_good(client: Client) -> None:
    lin = make_staff("Lin")
    sign_in(client, lin)
    assert client.get("/").status_code == 200

    let_go(lin.pk, actor=None, now=LATER)
    assert client.get("/").status_code == 302
    lin.refresh_from_db()
    rehire_staff(lin, actor=None, now=LATER)

    assert client.get("/").status_code == 302  # the old session stays dead
    sign_in(client, Staff.objects.get(pk=lin.pk))
    assert client.get("/").status_code == 200


def test_the_managers_of_the_store_are_told_but_not_whoever_did_it() -> None:
    hua = make_staff("Hua", role=Role.MANAGER)
    branch = make_staff("Bo", role=Role.MANAGER, scope=Scope.DEPARTMENT)
    stranger = make_staff(
        "Qi",
        role=Role.MANAGER,
        store=make_store("Elsewhere", department=make_department("Other")),
    )
    lin = make_staff("Lin")
    make_customers(2, owner=lin)

    let_go(lin.pk, actor=hua, now=LATER)

    told = Notice.objects.filter(kind=NoticeKind.STAFF_DEPARTED)
    assert list(told.values_list("staff", flat=True)) == [branch.pk]
    assert stranger.pk not in told.values_list("staff", flat=True)


def test_without_an_actor_the_nearest_manager_takes_over() -> None:
    make_staff("Bo", role=Role.MANAGER, scope=Scope.COMPANY)
    hua = make_staff("Hua", role=Role.MANAGER)
    lin = make_staff("Lin")
    draft = make_campaign("Draft", created_by=lin)

    let_go(lin.pk, actor=None, now=LATER, source="wecom")

    draft.refresh_from_db()
    assert draft.created_by == hua


# --- on a date ----------------------------------------------------------------------------------


def test_on_the_day_after_the_last_one_a_leaver_departs_by_themselves() -> None:
    lin = make_staff("Lin")
    make_customers(2, owner=lin)
    day = NOON.date() + timedelta(days=3)
    announce_leaving(lin, leaves_on=day, actor=None, now=NOON)
    evening = NOON + timedelta(days=3, hours=11, minutes=59)  # the last minute of the last day

    assert leavers_due(evening) == []
    assert let_go_due(lin.pk, now=evening) is None
    assert leavers_due(evening + timedelta(minutes=1)) == [lin.pk]
    handover = let_go_due(lin.pk, now=evening + timedelta(minutes=1))

    lin.refresh_from_db()
    assert lin.state == StaffState.DEPARTED
    assert handover
    assert handover.size == 2
    assert let_go_due(lin.pk, now=evening + timedelta(days=1)) is None


def test_whose_leaving_is_called_off_stays() -> None:
    lin = make_staff("Lin")
    announce_leaving(lin, leaves_on=NOON.date(), actor=None, now=NOON)
    call_off_leaving(lin, actor=None, now=NOON)

    assert let_go_due(lin.pk, now=NOON + timedelta(days=2)) is None
    lin.refresh_from_db()
    assert (lin.state, lin.leaves_on) == (StaffState.ACTIVE, None)
    with pytest.raises(MovedOn):
        call_off_leaving(lin, actor=None, now=NOON)


# --- a long leave -------------------------------------------------------------------------------


def test_a_long_leave_ends_access_and_keeps_the_customers(client: Client) -> None:
    lin = make_staff("Lin")
    make_customers(2, owner=lin)
    sign_in(client, lin)

    suspend_staff(lin, actor=None, now=NOON)

    assert client.get("/").status_code == 302
    assert lin.customers.count() == 2
    resume_staff(lin, actor=None, now=LATER)
    assert client.get("/").status_code == 302
    sign_in(client, Staff.objects.get(pk=lin.pk))
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("act", [suspend_staff, resume_staff])
def test_the_departed_are_neither_sent_on_leave_nor_called_back_from_it(act) -> None:
    wei = make_departed()

    with pytest.raises(MovedOn):
        act(wei, actor=None, now=NOON)

    wei.refresh_from_db()
    assert wei.state == StaffState.DEPARTED


def test_the_last_administrator_is_not_let_go_by_anybody_but_wecom() -> None:
    jin = make_staff("Jin", role=Role.ADMINISTRATOR)
    hua = make_staff("Hua", role=Role.MANAGER)

    with pytest.raises(RuleBroken, match="last administrator"):
        let_go(jin.pk, actor=hua, now=NOON)
    with pytest.raises(RuleBroken, match="last administrator"):
        suspend_staff(jin, actor=hua, now=NOON)

    jin.refresh_from_db()
    assert jin.state == StaffState.ACTIVE
    let_go(jin.pk, actor=None, now=NOON, source="wecom")
    jin.refresh_from_db()
    assert jin.state == StaffState.DEPARTED


# --- contact codes in WeCom ---------------------------------------------------------------------


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def test_wecom_is_told_who_is_on_duty_now(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    shop.open(lin, mei)
    code = make_code("Door", staff=[lin, mei])
    assert order_qr_code(code)
    now = timezone.now()

    let_go(lin.pk, actor=None, now=now)
    assert tell_people_on_duty(code.pk, now=now)

    assert codes_to_tell(now + timedelta(days=1)) == []
    client = wecom()
    assert client
    code.refresh_from_db()
    assert list(get_contact_way(client, code.config_id).way.users) == [mei.wecom_userid]
    assert ContactCode.objects.get().duty_changed_at is None
