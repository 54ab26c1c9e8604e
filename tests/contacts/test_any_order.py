"""Whatever people do, in whatever order: every promise is kept after every step.

The channel is set up but never called: requests are prepared, and the answers come from the
test, as the channel would give them.
"""

from datetime import timedelta
from itertools import count

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contacts.actions.closing import close_if_settled
from contacts.actions.customers import Profile
from contacts.actions.departures import depart_staff
from contacts.actions.follows import begin_follow, end_follow
from contacts.actions.handovers import (
    cancel_handover,
    finish_handover,
    plan_handover,
    propose_receivers,
    reassign_items,
    start_handover,
)
from contacts.actions.settlement import settle_items
from contacts.actions.sharing import Strategy
from contacts.actions.staff import rehire_staff
from contacts.enums import (
    FollowEnd,
    HandoverKind,
    HandoverState,
    IdentityKind,
    ItemState,
    RequestState,
    StaffState,
)
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Handover, HandoverItem, HandoverRequest, Identity, Staff
from crm.invariants import check_rules
from tests.builders import NOON, make_customers, make_staff, make_store

some = st.integers(0, 10_000)
"""Picks a row: the so-maniest, counted round."""


def pick(rows, number):
    found = list(rows.order_by("pk"))
    return found[number % len(found)] if found else None


MOVING = [ItemState.REQUESTED, ItemState.WAITING]
OUTCOMES = [ItemState.ACCEPTED, ItemState.REFUSED, ItemState.OVER_CAPACITY, ItemState.FAILED]


def others(handover):
    """Colleagues at work who may take over."""
    return Staff.objects.able_to_receive().exclude(pk=handover.from_staff_id)


class Shop(RuleBasedStateMachine):
    """Four guides in two stores, their customers, and everything that may happen to them."""

    def __init__(self):
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now, self.addresses = NOON, count(1)
        stores = [make_store("Nanjing Road"), make_store("Huaihai Road")]
        for number in range(4):
            guide = make_staff(f"Guide {number}", store=stores[number % 2], capacity=4)
            make_customers(3, owner=guide, followed=number != 3)

    def teardown(self):
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def act(self, action, *args, **options):
        """Do it a minute later; a refusal must leave no trace, and nothing else may be raised."""
        self.now += timedelta(minutes=1)
        try:
            with transaction.atomic():
                return action(*args, **options)
        except (RuleBroken, MovedOn):
            return None

    @rule(guide=some, known=st.booleans(), which=some)
    def a_customer_adds_a_guide(self, guide, known, which):
        identity = pick(Identity.objects.filter(kind=IdentityKind.WECOM), which)
        address = identity.value if known else f"new{next(self.addresses)}"
        self.act(
            begin_follow,
            pick(Staff.objects, guide),
            address,
            profile=Profile(name="Chen"),
            now=self.now,
        )

    @rule(guide=some, which=some, reason=st.sampled_from(FollowEnd))
    def a_follow_ends(self, guide, which, reason):
        identity = pick(Identity.objects.filter(kind=IdentityKind.WECOM), which)
        self.act(end_follow, pick(Staff.objects, guide), identity.value, reason=reason, at=self.now)

    @rule(guide=some)
    def a_guide_departs(self, guide):
        staff = pick(Staff.objects.employed(), guide)
        if staff:
            self.act(depart_staff, staff.pk, actor=None, now=self.now)

    @precondition(lambda self: Staff.objects.filter(state=StaffState.DEPARTED).exists())
    @rule(guide=some)
    def a_guide_comes_back(self, guide):
        staff = pick(Staff.objects.filter(state=StaffState.DEPARTED), guide)
        self.act(rehire_staff, staff, actor=None, now=self.now)

    @rule(guide=some, kind=st.sampled_from([HandoverKind.LEAVE, HandoverKind.REBALANCE]))
    def a_handover_is_planned(self, guide, kind):
        self.act(plan_handover, pick(Staff.objects, guide), kind=kind, actor=None, now=self.now)

    @precondition(lambda self: Handover.objects.filter(state=HandoverState.PLANNED).exists())
    @rule(which=some, first=some, second=some, how=st.sampled_from(Strategy), wait=st.booleans())
    def receivers_are_proposed(self, which, first, second, how, wait):
        handover = pick(Handover.objects.filter(state=HandoverState.PLANNED), which)
        people = [pick(others(handover), first), pick(others(handover), second)]
        if not all(people):
            return
        self.act(propose_receivers, handover, people, strategy=how, actor=None, now=self.now)
        if not wait:
            self.act(start_handover, handover, actor=None, now=self.now)

    @precondition(lambda self: Handover.objects.filter(state=HandoverState.PLANNED).exists())
    @rule(which=some)
    def a_handover_starts(self, which):
        handover = pick(Handover.objects.filter(state=HandoverState.PLANNED), which)
        self.act(start_handover, handover, actor=None, now=self.now)

    @precondition(lambda self: Handover.objects.filter(state=HandoverState.RUNNING).exists())
    @rule(which=some)
    def a_request_is_made(self, which):
        """Its customers are asked; what was called cannot be withdrawn."""
        request = pick(HandoverRequest.objects.filter(state=RequestState.PREPARED), which)
        if request:
            request.items.filter(state=ItemState.REQUESTED).update(state=ItemState.WAITING)
            request.state = RequestState.MADE
            request.save(update_fields=["state"])

    @precondition(lambda self: Handover.objects.filter(state=HandoverState.RUNNING).exists())
    @rule(which=some, most=st.integers(1, 3), outcome=st.sampled_from(OUTCOMES))
    def the_channel_answers(self, which, most, outcome):
        if handover := pick(Handover.objects.filter(state=HandoverState.RUNNING), which):
            moving = handover.items.filter(state__in=MOVING).order_by("pk")
            chosen = list(moving.values_list("pk", flat=True)[:most])
            items = HandoverItem.objects.filter(pk__in=chosen)
            self.act(settle_items, handover, items, outcome, now=self.now)
            self.act(close_if_settled, handover, now=self.now)

    @precondition(lambda self: Handover.objects.filter(state=HandoverState.RUNNING).exists())
    @rule(which=some, guide=some)
    def the_undecided_are_offered_again(self, which, guide):
        if handover := pick(Handover.objects.filter(state=HandoverState.RUNNING), which):
            items = list(handover.items.values_list("pk", flat=True))
            if receiver := pick(others(handover), guide):
                self.act(reassign_items, handover, items, [receiver], actor=None, now=self.now)

    @precondition(lambda self: Handover.objects.filter(state=HandoverState.RUNNING).exists())
    @rule(which=some)
    def a_handover_is_finished(self, which):
        if handover := pick(Handover.objects.filter(state=HandoverState.RUNNING), which):
            self.act(finish_handover, handover, actor=None, now=self.now)

    @precondition(lambda self: Handover.objects.filter(closed_at=None).exists())
    @rule(which=some)
    def a_handover_is_cancelled(self, which):
        if handover := pick(Handover.objects.filter(closed_at=None), which):
            self.act(cancel_handover, handover, actor=None, now=self.now)

    @invariant()
    def ownership_would_survive_a_commit(self):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")

    @invariant()
    def every_promise_is_kept(self):
        people = {1, 2, 3, 10, 12, 13}
        assert {
            f.rule.number: f.examples for f in check_rules(now=self.now, only=people) if f.rows
        } == {}


@pytest.mark.django_db
def test_every_promise_is_kept_in_any_order(settings_of_wecom):
    run_state_machine_as_test(
        Shop,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def settings_of_wecom(settings):
    settings.WECOM_CORP_ID = "ww0000000000000001"
