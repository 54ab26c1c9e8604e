"""The builders make rows that keep every rule of the database."""

import pytest
from django.db import connection
from django.test import Client

from campaigns.enums import CampaignState
from contacts.enums import HandoverState, ItemState, Role
from contacts.models import Customer, OwnershipPeriod
from tests.builders import (
    make_batch,
    make_callback,
    make_campaign,
    make_code,
    make_company,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_interaction,
    make_staff,
    make_tag,
    make_welcome,
    sign_in,
)

pytestmark = pytest.mark.django_db


def test_a_whole_company_of_builders_passes_the_checks_at_commit():
    make_company()
    lin, wei = make_staff("Lin"), make_departed()
    chen = make_customer("Chen", owner=lin, address="wm-chen")
    friends = make_customers(3, owner=lin, followed=True)
    make_follow(lin, chen)
    make_interaction(chen, staff=lin)
    make_code(staff=[lin], tags=[make_tag()])
    make_handover(wei)
    make_handover(
        make_departed(), to_staff=lin, state=HandoverState.DONE, item_state=ItemState.ACCEPTED
    )
    for state in CampaignState:
        make_campaign(state=state)
    make_batch(make_campaign(state=CampaignState.SENDING), friends)
    make_welcome(lin, chen)
    make_callback()

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    assert Customer.objects.count() == OwnershipPeriod.objects.count()


def test_people_stand_in_one_store_unless_told_otherwise():
    lin, mei = make_staff("Lin"), make_staff("Mei")

    assert lin.store == mei.store == make_customer().store


def test_sign_in_lets_the_person_in(client: Client):
    hua = make_staff("Hua", role=Role.MANAGER)

    assert sign_in(client, hua).session["_auth_user_id"] == str(hua.user_id)
