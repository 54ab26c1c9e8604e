"""Who may do what: every route times everybody. A route that is not listed here fails."""

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from tests.crm.api.world import CANARY, ROUTES, bodies, make_world

pytestmark = pytest.mark.django_db

WHO = ("guide", "other guide", "manager", "other manager", "marketer", "administrator")

# Lin is the guide and owns the customer; "other" people stand in another store.
# The rows belong to Lin's store; the campaign is the marketer's.
EVERYBODY = (200, 200, 200, 200, 200, 200)
MATRIX = {
    "GET stores": EVERYBODY,
    "GET store-level": (403, 403, 200, 404, 403, 200),
    "POST store-level": (403, 403, 400, 404, 403, 400),
    "GET staff": EVERYBODY,
    "GET staff-member": (200, 404, 200, 404, 200, 200),
    "POST staff-depart": (403, 403, 200, 404, 403, 200),
    "POST staff-announce-leaving": (403, 403, 200, 404, 403, 200),
    "POST staff-call-off": (403, 403, 409, 404, 403, 409),
    "POST staff-suspend": (403, 403, 200, 404, 403, 200),
    "POST staff-resume": (403, 403, 409, 404, 403, 409),
    "POST staff-rehire": (403, 403, 409, 404, 403, 409),
    "GET imports": EVERYBODY,
    "POST imports": (403, 403, 201, 201, 403, 201),
    "GET import": (404, 404, 200, 404, 404, 200),
    "GET import-rows": (404, 404, 200, 404, 404, 200),
    "POST import-start": (403, 403, 200, 404, 403, 200),
    "GET quick-replies": EVERYBODY,
    "POST quick-replies": (201, 201, 201, 201, 201, 201),
    "GET quick-reply": (200, 404, 404, 404, 404, 404),
    "POST quick-reply-archive": (200, 404, 404, 404, 404, 404),
    "GET staff-what-if": (403, 403, 200, 404, 403, 200),
    "POST staff-capacity": (403, 403, 200, 404, 403, 200),
    "GET customers": EVERYBODY,
    "POST customers": (201, 201, 201, 201, 403, 201),
    "GET customer": (200, 404, 200, 404, 200, 200),
    "PATCH customer": (200, 404, 200, 404, 403, 200),
    "POST customer-tags": (200, 404, 200, 404, 200, 200),
    "POST customer-claim": (404, 404, 403, 403, 403, 403),
    "POST customer-transfer": (403, 403, 200, 404, 403, 200),
    "POST customer-opt-out": (200, 404, 200, 404, 200, 200),
    "POST customer-opt-in": (200, 404, 200, 404, 200, 200),
    "GET customer-consents": (200, 404, 200, 404, 200, 200),
    "GET messaging-rules": (403, 403, 200, 200, 200, 200),
    "PUT messaging-rules": (403, 403, 403, 403, 403, 200),
    "GET customer-interactions": (200, 404, 200, 404, 200, 200),
    "POST customer-interactions": (201, 404, 201, 404, 403, 201),
    "GET customer-history": (200, 404, 200, 404, 200, 200),
    "GET customer-brief": (200, 404, 200, 404, 200, 200),
    "GET identities": EVERYBODY,
    "GET tag-groups": EVERYBODY,
    "GET tags": EVERYBODY,
    "GET follows": EVERYBODY,
    "GET interactions": EVERYBODY,
    "POST interactions": (201, 400, 201, 400, 403, 201),
    "GET tasks": EVERYBODY,
    "POST tasks": (201, 400, 201, 400, 403, 201),
    "GET task": (200, 404, 200, 404, 200, 200),
    "POST task-done": (200, 404, 200, 404, 403, 200),
    "POST task-drop": (200, 404, 200, 404, 403, 200),
    "POST task-reschedule": (200, 404, 200, 404, 403, 200),
    "POST task-reassign": (403, 403, 200, 404, 403, 200),
    "GET orders": EVERYBODY,
    "POST orders": (403, 403, 201, 400, 403, 201),
    "GET coupons": EVERYBODY,
    "POST coupons": (201, 400, 201, 400, 201, 201),
    "GET coupon": (200, 404, 200, 404, 200, 200),
    "POST coupon-redeem": (200, 404, 200, 404, 200, 200),
    "GET handovers": EVERYBODY,
    "POST handovers": (403, 403, 201, 400, 403, 201),
    "GET handover": (404, 404, 200, 404, 404, 200),
    "GET handover-items": (404, 404, 200, 404, 404, 200),
    "GET handover-progress": (404, 404, 200, 404, 404, 200),
    "POST handover-propose": (404, 404, 200, 404, 404, 200),
    "GET handover-preview": (404, 404, 200, 404, 404, 200),
    "POST handover-plan": (404, 404, 200, 404, 404, 200),
    "POST handover-move": (404, 404, 200, 404, 404, 200),
    "POST handover-leave-out": (404, 404, 400, 404, 404, 400),
    "GET handover-plans": (404, 404, 200, 404, 404, 200),
    "POST handover-plans": (404, 404, 201, 404, 404, 201),
    "POST handover-start": (404, 404, 400, 404, 404, 400),
    "POST handover-cancel": (404, 404, 200, 404, 404, 200),
    "POST handover-reassign": (404, 404, 409, 404, 404, 409),
    "POST handover-finish": (404, 404, 409, 404, 404, 409),
    "GET handover-chats": (404, 404, 200, 404, 404, 200),
    "POST handover-chats-assign": (404, 404, 200, 404, 404, 200),
    "POST handover-undo": (404, 404, 200, 404, 404, 200),
    "POST handover-refresh": (404, 404, 200, 404, 404, 200),
    "GET reconciliations": EVERYBODY,
    "POST reconciliations": (403, 403, 403, 403, 403, 201),
    "GET findings": EVERYBODY,
    "GET finding": (404, 404, 200, 404, 404, 200),
    "POST finding-repair": (404, 404, 400, 404, 404, 400),
    "POST finding-dismiss": (404, 404, 200, 404, 404, 200),
    "GET losses": EVERYBODY,
    "POST loss-reason": (404, 404, 200, 404, 404, 200),
    "POST loss-write-off": (404, 404, 200, 404, 404, 200),
    "GET notices": EVERYBODY,
    "POST notices-read": EVERYBODY,
    "GET warnings": (403, 403, 200, 200, 403, 200),
    "GET loss-rates": (403, 403, 200, 200, 403, 200),
    "GET pool": (200, 200, 200, 200, 403, 200),
    "POST pool-assign": (403, 403, 200, 400, 403, 200),
    "GET pool-company-rule": (403, 403, 404, 404, 403, 200),
    "PUT pool-company-rule": (403, 403, 404, 404, 403, 200),
    "GET pool-rule": (403, 403, 200, 404, 403, 200),
    "PUT pool-rule": (403, 403, 200, 404, 403, 200),
    "GET group-chats": EVERYBODY,
    "GET contact-codes": EVERYBODY,
    "POST contact-codes": (403, 403, 201, 400, 403, 201),
    "GET contact-code": (200, 404, 200, 404, 200, 200),
    "GET contents": (403, 403, 200, 200, 200, 200),
    "POST contents": (403, 403, 403, 403, 201, 201),
    "GET content": (403, 403, 200, 200, 200, 200),
    "POST content-revise": (403, 403, 403, 403, 201, 201),
    "POST content-archive": (403, 403, 403, 403, 200, 200),
    "POST content-preview": (403, 403, 403, 403, 200, 200),
    "POST content-test": (403, 403, 403, 403, 200, 200),
    "GET welcomes": (403, 403, 200, 200, 200, 200),
    "POST welcomes": (403, 403, 403, 403, 201, 201),
    "GET welcome": (403, 403, 200, 404, 200, 200),
    "POST welcome-drop": (403, 403, 403, 403, 200, 200),
    "GET media": (403, 403, 403, 403, 200, 200),
    "POST media": (403, 403, 403, 403, 201, 201),
    "GET media-file": (403, 403, 403, 403, 200, 200),
    "GET segments": (403, 403, 200, 200, 200, 200),
    "POST segments": (403, 403, 403, 403, 201, 201),
    "POST segment-preview": (403, 403, 403, 403, 200, 200),
    "GET segment": (403, 403, 200, 200, 200, 200),
    "PATCH segment": (403, 403, 403, 403, 200, 200),
    "POST segment-archive": (403, 403, 403, 403, 200, 200),
    "GET segment-fields": (403, 403, 200, 200, 200, 200),
    "GET segment-customers": (403, 403, 403, 403, 200, 200),
    "POST segment-freeze": (403, 403, 403, 403, 201, 201),
    "POST segment-members": (403, 403, 403, 403, 400, 400),
    "GET campaigns": EVERYBODY,
    "POST campaigns": (403, 403, 403, 403, 201, 201),
    "GET campaign": (404, 404, 404, 404, 200, 200),
    "GET campaign-audience": (403, 403, 403, 403, 200, 200),
    "GET campaign-progress": (404, 404, 404, 404, 200, 200),
    "GET campaign-links": (404, 404, 404, 404, 200, 200),
    "GET campaign-statistics": (404, 404, 404, 404, 200, 200),
    "GET campaign-statistics-batches": (404, 404, 404, 404, 200, 200),
    "GET campaign-statistics-guides": (404, 404, 404, 404, 200, 200),
    "GET campaign-statistics-variants": (404, 404, 404, 404, 200, 200),
    "GET campaign-statistics-stores": (404, 404, 404, 404, 200, 200),
    "POST campaign-schedule": (403, 403, 403, 403, 200, 200),
    "POST campaign-pause": (403, 403, 403, 403, 409, 409),
    "POST campaign-resume": (403, 403, 403, 403, 409, 409),
    "POST campaign-cancel": (403, 403, 403, 403, 200, 200),
    "POST campaign-remind": (403, 403, 403, 403, 400, 400),
    "POST campaign-refresh": (403, 403, 403, 403, 200, 200),
    "POST campaign-check": (403, 403, 403, 403, 400, 400),
    "POST campaign-send-again": (403, 403, 403, 403, 400, 400),
    "PATCH campaign": (403, 403, 403, 403, 200, 200),
    "POST campaign-reschedule": (403, 403, 403, 403, 400, 400),
    "POST campaign-unschedule": (403, 403, 403, 403, 409, 409),
    "POST campaign-approve": (403, 403, 403, 403, 400, 409),
    "POST campaign-send-back": (403, 403, 403, 403, 400, 409),
    "POST campaign-clone": (403, 403, 403, 403, 201, 201),
    "POST campaign-compare": (403, 403, 403, 403, 200, 200),
    "GET campaign-experiment": (404, 404, 404, 404, 200, 200),
    "POST campaign-split": (403, 403, 403, 403, 200, 200),
    "POST campaign-choose-winner": (403, 403, 403, 403, 400, 400),
    "GET series-list": EVERYBODY,
    "POST series-list": (403, 403, 403, 403, 201, 201),
    "GET series": (404, 404, 404, 404, 200, 200),
    "PATCH series": (403, 403, 403, 403, 200, 200),
    "GET series-runs": (404, 404, 404, 404, 200, 200),
    "POST series-pause": (403, 403, 403, 403, 200, 200),
    "POST series-resume": (403, 403, 403, 403, 409, 409),
    "POST series-end": (403, 403, 403, 403, 200, 200),
    "POST campaign-write-off": (403, 403, 403, 403, 400, 400),
    "GET posts": EVERYBODY,
    "POST posts": (403, 403, 403, 403, 201, 201),
    "GET post": (404, 404, 404, 404, 200, 200),
    "PATCH post": (403, 403, 403, 403, 200, 200),
    "GET post-progress": (404, 404, 404, 404, 200, 200),
    "GET post-reactions": (404, 404, 404, 404, 200, 200),
    "POST post-schedule": (403, 403, 403, 403, 200, 200),
    "POST post-unschedule": (403, 403, 403, 403, 409, 409),
    "POST post-cancel": (403, 403, 403, 403, 200, 200),
    "POST post-remind": (403, 403, 403, 403, 400, 400),
    "POST post-refresh": (403, 403, 403, 403, 200, 200),
    "GET batches": EVERYBODY,
    "GET deliveries": EVERYBODY,
    "GET webhooks": (403, 403, 403, 403, 403, 200),
    "POST webhooks": (403, 403, 403, 403, 403, 201),
    "GET webhook-events": (403, 403, 403, 403, 403, 200),
    "GET webhook": (403, 403, 403, 403, 403, 200),
    "PATCH webhook": (403, 403, 403, 403, 403, 200),
    "POST webhook-pause": (403, 403, 403, 403, 403, 200),
    "POST webhook-resume": (403, 403, 403, 403, 403, 409),
    "POST webhook-remove": (403, 403, 403, 403, 403, 200),
    "POST webhook-rotate-secret": (403, 403, 403, 403, 403, 200),
    "POST webhook-test": (403, 403, 403, 403, 403, 201),
    "GET webhook-deliveries": (403, 403, 403, 403, 403, 200),
    "POST webhook-replay": (403, 403, 403, 403, 403, 200),
    "GET history": (403, 403, 403, 403, 403, 200),
}


def ask(client, route, world):
    """Ask, and undo what came of it."""
    body = bodies(world).get(str(route), {})
    options = {} if route.method == "GET" else {"data": body, "format": "json"}
    with transaction.atomic():
        answer = getattr(client, route.method.lower())(route.address(world), **options)
        transaction.set_rollback(True)
    return answer


def test_every_route_is_listed():
    assert set(MATRIX) == set(ROUTES)


@pytest.mark.parametrize("name", MATRIX)
def test_everybody_gets_what_is_theirs(api, name):
    route, world = ROUTES[name], make_world()

    anonymous = ask(APIClient(), route, world)
    answers = {who: ask(api(world.people[who]), route, world) for who in WHO}

    assert anonymous.status_code == 401
    statuses = tuple(answers[who].status_code for who in WHO)
    assert statuses == MATRIX[name], [answer.content for answer in answers.values()]
    for who, answer in answers.items():
        if who.startswith("other") or answer.status_code in {403, 404}:
            assert CANARY not in answer.content.decode(), who
