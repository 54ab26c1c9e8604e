"""Segments through the API: how far those reach who change them."""

import pytest

from contacts.enums import Role, Scope
from tests.builders import first_store, make_campaign, make_segment, make_staff

pytestmark = pytest.mark.django_db


def test_the_segment_of_a_campaign_ahead_is_not_widened_beyond_the_scope(api):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=first_store())
    rule = {"all": [{"field": "store", "op": "in", "value": [first_store().pk]}]}
    used, free = make_segment(rule), make_segment(rule)
    make_campaign(segment=used, created_by=yu)

    refused = api(yu).patch(f"/api/v1/segments/{used.pk}", {"rule": {"all": []}})
    allowed = api(yu).patch(f"/api/v1/segments/{free.pk}", {"rule": {"all": []}})

    assert (refused.status_code, allowed.status_code) == (400, 200)
    used.refresh_from_db()
    assert used.rule == rule
