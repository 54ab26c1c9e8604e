"""Whatever is thrown at the API, it answers with a 4xx: never with a 500, never by obeying."""

import json
from urllib.parse import quote

import pytest
from django.db import transaction
from rest_framework.fields import ListField
from rest_framework.serializers import BaseSerializer, ListSerializer

from contacts.models import Customer
from tests.crm.api.world import ROUTES, bodies, make_world

pytestmark = pytest.mark.django_db

HUGE = 10**30
VALUES: list[object] = [
    None, True, HUGE, -1, 1e300, "", "\ud800", "a\x00b", "１", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "x" * 5000, "%s%(a)s{0}", [], [[]], {}, [HUGE], ["x"],
    list(range(1, 600)), {"all": [{}]}, {"all": [{"field": "tag", "op": "any", "value": [HUGE]}]},
    {"all": [{"field": ["tag"], "op": {}, "value": None}]},
]  # fmt: skip
TEXTS = ["", "\0", "-1", "0", str(HUGE), "１", "x", "[]", "1e400", "'--", "%\\", "x" * 5000]

RAW_BODIES = [
    b"", b"{", b"[]", b"1", b"null", b'"x"', b"NaN", b'{"name": NaN}', b'{"name": 1e400}',
    b'{"name": Infinity}', b'{"name": "\\u0000"}', b'{"name": "\\ud800"}', b'{"\\u0000": 1}',
    b"\xff\xfe", b'{"name": "\xed\xa0\x80"}', b"[" * 20_000, b'{"a":' * 20_000, b"1" * 5000,
    b'{"name": ' + b"9" * 5000 + b"}", b'{"name": 1, "name": 2}',
]  # fmt: skip

GETTING = [
    name
    for name, route in ROUTES.items()
    if route.method == "GET" and hasattr(route.view, "filterset_class")
]
TEMPLATES = sorted({route.template for route in ROUTES.values()})
SAYING = [name for name in ROUTES if not name.startswith("GET")]


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def client(api, world):
    return api(world.people["administrator"])


def ask(client, method, address, body=b""):
    """Send these very bytes, and undo what came of it."""
    with transaction.atomic():
        answer = client.generic(method, address, body, content_type="application/json")
        transaction.set_rollback(True)
    return answer


@pytest.mark.parametrize("name", GETTING)
def test_no_parameter_breaks_a_list(client, world, name):
    route = ROUTES[name]
    filters = getattr(route.view, "filterset_class", None)
    parameters = list(filters.base_filters) if filters else []
    if name in {"GET customers", "GET deliveries"}:  # by a plain and by a composite key
        parameters += ["cursor", "page_size", "nonsense"]

    for parameter in parameters:
        for text in TEXTS:
            answer = ask(client, "GET", f"{route.address(world)}?{parameter}={quote(text)}")
            assert answer.status_code < 500, (parameter, text)


def test_bytes_that_are_no_text_are_refused_in_the_query(client, world):
    for route in ROUTES.values():
        for text in ("%00", "a%00b", "%ED%A0%80", "%FF", "%C0%80"):
            address = f"{route.address(world)}?search={text}"
            assert ask(client, route.method, address, b"{}").status_code == 400, (route, text)


def test_bytes_that_are_no_text_are_refused_in_the_path(client):
    for template in TEMPLATES:
        for text in ("%00", "1%00", "%ED%A0%80", "%FF"):
            inside = f"/api/v1/{template.replace('<int:pk>', text)}{text}"
            behind = f"/api/v1/{template.replace('<int:pk>', '1')}/{text}"
            assert ask(client, "POST", inside).status_code == 400, (template, text)
            assert ask(client, "GET", behind).status_code == 400, (template, text)


def test_no_id_breaks_an_address(client):
    for template in (template for template in TEMPLATES if "<int:pk>" in template):
        for text in ("0", str(2**63), str(HUGE), "9" * 5000, "-1", "１", "x", "1.5"):
            address = f"/api/v1/{template.replace('<int:pk>', quote(text))}"
            assert ask(client, "GET", address).status_code < 500, (template, text)


@pytest.mark.parametrize("name", ["POST campaigns", "PATCH customer", "POST handover-cancel"])
def test_no_body_breaks_a_verb(client, world, name):
    route = ROUTES[name]
    for raw in RAW_BODIES:
        answer = ask(client, route.method, route.address(world), raw)
        assert answer.status_code < 500, raw[:40]


@pytest.mark.parametrize("name", SAYING)
def test_no_value_breaks_a_field(client, world, name):
    route = ROUTES[name]
    good = bodies(world).get(name, {})

    for place in places(says(route)):
        for value in VALUES:
            body = json.dumps(with_value(good, place, value)).encode()
            answer = ask(client, route.method, route.address(world), body)
            assert answer.status_code < 500, (place, value, answer.content)


def test_bad_text_is_refused_in_every_field(client, world):
    for name in SAYING:
        route = ROUTES[name]
        for place in places(says(route)) or [("anything",)]:
            for text in ("a\x00b", "\ud800"):
                body = json.dumps(with_value(bodies(world).get(name, {}), place, text)).encode()
                answer = ask(client, route.method, route.address(world), body)
                assert answer.status_code == 400, (name, place)


def says(route):
    """Return what the route takes."""
    return route.view.Change() if route.method == "PATCH" else route.view.Input()


def places(serializer):
    """Return the path to every field, nested ones included."""
    found = []
    for name, field in serializer.fields.items():
        found.append((name,))
        inner = field.child if isinstance(field, ListField | ListSerializer) else field
        if isinstance(inner, BaseSerializer):
            found += [(name, 0, *rest) for rest in places(inner)]
    return found


def with_value(body, place, value):
    """Return the body with one value exchanged."""
    if not place:
        return value
    first, *rest = place
    if isinstance(first, int):
        return [with_value(body[0] if body else {}, rest, value)]
    return body | {first: with_value(body.get(first, {}), rest, value)}


def test_nothing_is_set_that_only_an_action_may_change(client, world):
    mei, store = world.ids["mei"], world.ids["store"]
    wanted = {"owner": mei, "owner_id": mei, "store": store, "id": 1, "pk": 1, "state": "done"}
    wanted |= {
        "created_at": "2020-01-01",
        "created_by": mei,
        "size": 9,
        "scopes": [],
        "merged_into": 1,
    }
    before = list(Customer.objects.order_by("pk").values())

    for name in SAYING:
        route = ROUTES[name]
        for field in set(wanted) - set(says(route).fields):
            body = bodies(world).get(name, {}) | {field: wanted[field]}
            answer = client.generic(
                route.method,
                route.address(world),
                json.dumps(body),
                content_type="application/json",
            )
            assert answer.status_code == 400, (name, field)
            assert list(answer.json()["errors"]) == [field]

    assert list(Customer.objects.order_by("pk").values()) == before
