"""Finding, adding, tagging customers, and taking their word that they want no campaigns."""

from datetime import timedelta

import pytest

from contacts.actions.consent import opt_out
from contacts.actions.customers import (
    Profile,
    find_customer,
    find_or_create_customer,
    learn_profile,
    tag_customer,
    untag_customer,
)
from contacts.enums import CustomerState, IdentityKind, OwnershipReason
from contacts.errors import RuleBroken
from contacts.models import Customer, CustomerTag, HistoryEntry, Identity, OwnershipPeriod
from tests.builders import (
    NOON,
    first_store,
    make_customer,
    make_departed,
    make_identity,
    make_staff,
    make_tag,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


def take_in(address="wm-chen", *, profile=None, staff=None):
    return find_or_create_customer(
        IdentityKind.WECOM,
        address,
        profile=profile or Profile(name="Chen"),
        store=first_store(),
        staff=staff,
        now=NOON,
    )


def merge(customer, target):
    customer.ownership_periods.update(ended_at=LATER)
    Customer.objects.filter(pk=customer.pk).update(
        state=CustomerState.MERGED, merged_into=target, owner=None
    )
    customer.refresh_from_db()


# --- finding and adding -------------------------------------------------------------------------


def test_a_stranger_becomes_a_customer_with_address_and_owner():
    lin = make_staff()

    chen, created = take_in(
        profile=Profile(name=" 陈静 ", unionid="u1", phones=("+8613",)), staff=lin
    )

    assert created
    assert (chen.name, chen.name_key, chen.owner) == ("陈静", "chen jing", lin)
    assert "chenjing" in chen.search_key
    assert "+8613" in chen.search_key
    assert set(chen.identities.values_list("kind", "value")) == {
        (IdentityKind.WECOM, "wm-chen"),
        (IdentityKind.WECHAT, "u1"),
        (IdentityKind.PHONE, "+8613"),
    }
    period = chen.ownership_periods.get()
    assert (period.staff, period.began_at, period.reason) == (lin, NOON, OwnershipReason.ADDED)


def test_without_a_staff_member_a_stranger_rests_in_the_pool():
    chen, _created = take_in()

    assert chen.owner is None
    assert chen.ownership_periods.get().staff is None


def test_the_same_address_is_the_same_customer():
    first, _created = take_in(staff=make_staff("Lin"))

    again, created = take_in(profile=Profile(name="Someone"), staff=make_staff("Mei"))

    assert (again, created) == (first, False)
    assert (again.owner, again.name) == (first.owner, "Chen")
    assert Customer.objects.count() == OwnershipPeriod.objects.count() == 1


def test_a_new_address_of_a_known_unionid_is_the_same_customer():
    chen = make_customer()
    make_identity(chen, "u1", kind=IdentityKind.WECHAT)

    found, created = take_in("wm-second", profile=Profile(unionid="u1"))

    assert (found, created) == (chen, False)
    assert find_customer(IdentityKind.WECOM, "wm-second") == chen


def test_an_address_is_followed_through_a_merge():
    chen, zhao = make_customer(address="wm-chen"), make_customer("Zhao")
    merge(chen, zhao)

    assert find_customer(IdentityKind.WECOM, "wm-chen") == zhao
    assert take_in() == (zhao, False)


def test_nobody_is_found_under_an_unknown_address():
    make_customer(address="wm-chen")

    assert find_customer(IdentityKind.WECOM, "wm-CHEN") is None
    assert find_customer(IdentityKind.PHONE, "wm-chen") is None


def test_a_phone_that_belongs_to_somebody_else_stays_there():
    zhao = make_customer("Zhao")
    make_identity(zhao, "+8613", kind=IdentityKind.PHONE)

    chen, created = take_in(profile=Profile(name="Chen", phones=("+8613",)))

    assert created
    assert Identity.objects.get(value="+8613").customer == zhao
    assert chen.identities.get().value == "wm-chen"


def test_a_departed_owner_is_refused_and_nothing_is_left_behind(refused_by):
    wei = make_departed()

    with refused_by("customer_owner_is_employed"):
        take_in(staff=wei)

    assert not Customer.objects.exists()
    assert not Identity.objects.exists()
    assert not OwnershipPeriod.objects.exists()


def test_what_is_learned_fills_blanks_only():
    chen = make_customer("Chen", gender="")

    learn_profile(chen, Profile(name="Other", gender="female", unionid="u1"))
    learn_profile(chen, Profile(gender="male"))

    chen.refresh_from_db()
    assert (chen.name, chen.gender) == ("Chen", "female")
    assert chen.identities.get().value == "u1"


def test_a_unionid_of_another_customer_stays_there():
    chen, zhao = make_customer(), make_customer("Zhao")
    make_identity(zhao, "u1", kind=IdentityKind.WECHAT)

    learn_profile(chen, Profile(unionid="u1"))

    assert Identity.objects.get().customer == zhao


# --- tags ---------------------------------------------------------------------------------------


def tags_of(customer):
    return set(customer.carried_tags.values_list("tag__name", flat=True))


def test_tags_are_given_once_and_written_into_history():
    lin, chen, vip, silk = make_staff(), make_customer(), make_tag("VIP"), make_tag("Silk")
    tag_customer(chen, [vip], actor=lin, now=NOON)

    added = tag_customer(chen, [vip, silk], actor=lin, now=LATER)

    assert added == [silk]
    assert tags_of(chen) == {"VIP", "Silk"}
    entries = HistoryEntry.objects.filter(customer=chen).order_by("pk")
    assert [(entry.data, entry.actor, entry.at) for entry in entries] == [
        ({"tags": ["VIP"]}, lin, NOON),
        ({"tags": ["Silk"]}, lin, LATER),
    ]


def test_a_tag_that_is_carried_already_leaves_no_trace():
    chen, vip = make_customer(), make_tag()
    tag_customer(chen, [vip], actor=None, now=NOON)

    assert tag_customer(chen, [vip], actor=None, now=LATER) == []

    assert HistoryEntry.objects.count() == 1
    assert CustomerTag.objects.get().added_at == NOON


def test_in_an_exclusive_group_the_new_tag_replaces_the_old():
    chen, gold = make_customer(), make_tag("Gold", exclusive=True)
    silver, silk = make_tag("Silver", group=gold.group), make_tag("Silk")
    tag_customer(chen, [gold, silk], actor=None, now=NOON)

    tag_customer(chen, [silver], actor=None, now=LATER)

    assert tags_of(chen) == {"Silver", "Silk"}


def test_of_two_tags_of_an_exclusive_group_the_last_holds():
    chen, gold = make_customer(), make_tag("Gold", exclusive=True)
    silver = make_tag("Silver", group=gold.group)

    tag_customer(chen, [gold, silver], actor=None, now=NOON)

    assert tags_of(chen) == {"Silver"}


def test_an_open_group_gives_several_tags():
    chen, silk = make_customer(), make_tag("Silk")
    wool = make_tag("Wool", group=silk.group)

    tag_customer(chen, [silk, wool], actor=None, now=NOON)

    assert tags_of(chen) == {"Silk", "Wool"}


@pytest.mark.parametrize("state", [CustomerState.MERGED, CustomerState.ERASED])
def test_a_customer_who_is_gone_takes_no_tags(state):
    chen = make_customer(
        state=state, merged_into=make_customer("Zhao") if state == CustomerState.MERGED else None
    )

    with pytest.raises(RuleBroken, match="is no longer an active customer"):
        tag_customer(chen, [make_tag()], actor=None, now=NOON)

    assert not CustomerTag.objects.exists()
    assert not HistoryEntry.objects.exists()


def test_a_tag_is_taken_away_once():
    lin, chen, vip = make_staff(), make_customer(), make_tag()
    tag_customer(chen, [vip], actor=lin, now=NOON)

    assert untag_customer(chen, vip, actor=lin, now=LATER) is True
    assert untag_customer(chen, vip, actor=lin, now=LATER) is False

    assert tags_of(chen) == set()
    actions = HistoryEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["customer.tagged", "customer.untagged"]


# --- opting out ---------------------------------------------------------------------------------


def test_an_opt_out_is_remembered_with_its_first_moment():
    chen = make_customer()

    opt_out(chen, source="reply", now=NOON)
    opt_out(chen, source="phone", now=LATER)

    chen.refresh_from_db()
    assert chen.opted_out_at == NOON
    assert list(chen.consents.order_by("at").values_list("granted", "source")) == [
        (False, "reply"),
        (False, "phone"),
    ]
    assert HistoryEntry.objects.filter(customer=chen, action="customer.opted_out").count() == 2
