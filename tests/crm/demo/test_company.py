"""The demo company: its figures, and that it is loaded once and only where it may be."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.db import connection
from django.db.models import Count, F, Max, Q, Sum
from pytest_django import DjangoDbBlocker

from campaigns.actions.due import series_to_run
from campaigns.actions.posts.following import posts_to_check, posts_to_send
from campaigns.actions.posts.reactions import moments_to_read
from campaigns.enums import PostState, TargetState
from campaigns.models import (
    Batch,
    Campaign,
    Content,
    Delivery,
    Post,
    PostReaction,
    PostTarget,
    Segment,
    Series,
    WelcomeRule,
)
from contacts.enums import IdentityKind, Role, StaffState
from contacts.models import (
    Customer,
    CustomerTag,
    Follow,
    Identity,
    Interaction,
    OwnershipPeriod,
    RoleGrant,
    Staff,
    Store,
    User,
)
from crm.demo import cast
from crm.demo.company import DemoCompany, load_company
from crm.demo.showing import LIBRARY, MOMENT
from crm.invariants import check_rules

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def password_for(username: str) -> str:
    return f"{username} likes plum blossom"


@pytest.fixture(scope="module")
def company(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[DemoCompany]:
    """The company, loaded once for all tests of this file, which only look at it."""
    with django_db_blocker.unblock():
        yield load_company(NOW, password_for)
        call_command("flush", interactive=False)


def test_company_has_the_promised_people(company: DemoCompany) -> None:
    roles = dict(RoleGrant.objects.values_list("role").annotate(Count("pk")))

    assert Store.objects.count() == 3
    assert roles == {Role.GUIDE: 12, Role.MANAGER: 3, Role.MARKETER: 1, Role.ADMINISTRATOR: 1}
    assert Customer.objects.active().count() == 5000
    assert 11_000 < Interaction.objects.count() < 13_000
    connection.check_constraints()


def test_personas_have_a_password_and_nobody_else(company: DemoCompany) -> None:
    accounts = User.objects.filter(staff__isnull=False)
    able = [account for account in accounts if account.has_usable_password()]

    assert sorted(account.username for account in able) == sorted(cast.PERSONAS)
    assert authenticate(username="guide", password=password_for("guide"))


def test_exactly_one_guide_leaves_and_owns_250_connected_customers(company: DemoCompany) -> None:
    sizes = Staff.objects.annotate(size=Count("customers")).filter(size=250)

    assert list(sizes) == [company.leaver]
    assert company.leaver.state == StaffState.LEAVING
    assert company.leaver.leaves_on is not None
    assert company.leaver.leaves_on.strftime("%A") == "Friday"
    assert Follow.objects.active().filter(staff=company.leaver).count() == 250
    assert {person.store_id for person in company.receivers} == {company.leaver.store_id}


def test_campaign_reaches_1050_and_skips_the_opted_out_on_top(company: DemoCompany) -> None:
    tagged = Customer.objects.filter(carried_tags__tag__name=cast.CAMPAIGN_TAG)
    reachable = tagged.filter(
        opted_out_at=None,
        identities__kind=IdentityKind.WECOM,
        follows__staff=F("owner"),
        follows__ended_at=None,
    )
    shares = reachable.values_list("owner").annotate(size=Count("pk")).order_by("-size")

    assert reachable.count() == reachable.distinct().count() == 1050
    assert tagged.filter(opted_out_at__isnull=False).count() == cast.OPTED_OUT_INVITED
    assert tagged.count() == 1050 + cast.OPTED_OUT_INVITED + cast.WITHOUT_ADDRESS_INVITED
    assert [size for _, size in shares][:3] == [245, 215, 140]


def test_nothing_happened_before_it_could(company: DemoCompany) -> None:
    assert not Interaction.objects.filter(happened_at__gt=NOW).exists()
    assert not Interaction.objects.filter(happened_at__lt=NOW - timedelta(days=182)).exists()
    assert not OwnershipPeriod.objects.filter(began_at__gt=NOW).exists()
    assert (
        not Customer.objects.annotate(last=Max("interactions__happened_at"))
        .exclude(Q(last=F("last_interaction_at")) | Q(last=None, last_interaction_at=None))
        .exists()
    )


def test_phone_numbers_cannot_be_anybodys(company: DemoCompany) -> None:
    phones = Identity.objects.filter(kind=IdentityKind.PHONE)

    assert phones.exists()
    assert not phones.exclude(
        Q(value__regex=r"^\+86154\d{8}$") | Q(value__regex=r"^\+447700900\d{3}$")
    ).exists()


def test_past_campaigns_add_up(company: DemoCompany) -> None:
    for campaign in Campaign.objects.all():
        fates = Delivery.objects.filter(campaign=campaign)

        assert campaign.recipients == fates.exclude(batch=None).count() > 100
        assert campaign.skipped == fates.filter(batch=None).count()
        assert all(
            batch.size == batch.deliveries.count()
            for batch in Batch.objects.filter(campaign=campaign)
        )
    assert Campaign.objects.count() == 3
    assert WelcomeRule.objects.count() == 2


def test_no_page_of_messages_is_empty(company: DemoCompany) -> None:
    moment = Post.objects.get(name=MOMENT)
    rows = PostTarget.objects.filter(share__post=moment)

    assert Content.objects.filter(folder__isnull=False).count() == len(LIBRARY)
    assert {post.state for post in Post.objects.all()} == {PostState.DONE, PostState.DRAFT}
    assert len(moment.attachments) == 3
    assert rows.filter(state=TargetState.SENT, customer_likes__gt=0).count() == 10
    assert rows.filter(state=TargetState.CANCELLED).count() == 2
    assert PostTarget.objects.filter(chat__isnull=False, state=TargetState.SENT).count() == 4
    told = rows.aggregate(
        n=Sum(F("customer_likes") + F("staff_likes") + F("customer_comments") + F("staff_comments"))
    )
    assert PostReaction.objects.filter(post=moment).count() == told["n"]
    assert moment.closed_at
    assert moment.closed_at < NOW


def test_what_is_shown_sets_nothing_going(company: DemoCompany) -> None:
    weeks = NOW + timedelta(days=13)

    assert [posts_to_send(weeks), posts_to_check(weeks), moments_to_read(weeks)] == [[], [], []]
    assert series_to_run(weeks) == []
    assert series_to_run(weeks + timedelta(days=2)) == [Series.objects.get().pk]


def test_second_run_finds_the_company_and_changes_nothing(company: DemoCompany) -> None:
    before = [model.objects.count() for model in (Customer, Staff, CustomerTag, Interaction)]

    again = load_company(NOW, password_for)

    assert again == company
    assert before == [
        model.objects.count() for model in (Customer, Staff, CustomerTag, Interaction)
    ]


def test_keeps_every_promise(company: DemoCompany) -> None:
    assert [finding for finding in check_rules(now=NOW) if finding.rows] == []


def test_it_is_found_again_whatever_a_visitor_has_renamed_or_made_twice(company: DemoCompany):
    Segment.objects.filter(pk=company.segment.pk).update(name="Mine")
    Content.objects.create(name=company.content.name, text="Another of the same name")

    again = load_company(NOW, password_for)

    assert (again.segment, again.content) == (company.segment, company.content)
