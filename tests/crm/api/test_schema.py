"""The OpenAPI document is complete, valid and served; its page runs under our strict policy."""

import io
import re

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from tests.crm.api.world import ROUTES

METHODS = {"get", "post", "patch", "put", "delete"}


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(document):
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


def test_the_document_is_valid_and_made_without_warnings():
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=io.StringIO())


def test_every_route_is_documented(document):
    wanted = {
        (route.method, f"/api/v1/{route.template.replace('<int:pk>', '{id}')}")
        for route in ROUTES.values()
    }

    assert set(operations(document)) == wanted
    assert document["openapi"].startswith("3.1")


def test_every_operation_says_what_it_does_and_how_it_fails(document):
    for name, operation in operations(document).items():
        assert operation["summary"], name
        assert {"400", "401", "403", "429"} <= set(operation["responses"]), name
        assert operation["security"][0] == {"apiKey": []}, name
    summaries = [operation["summary"] for operation in operations(document).values()]
    assert sorted({s for s in summaries if summaries.count(s) > 1}) == []


def test_every_post_takes_an_idempotency_key(document):
    for (method, path), operation in operations(document).items():
        names = [parameter["name"] for parameter in operation.get("parameters", [])]
        assert ("Idempotency-Key" in names) == (method == "POST"), path


def test_the_main_job_has_examples(document):
    for path in ("campaigns", "campaigns/{id}/schedule", "handovers/{id}/propose", "customers"):
        body = document["paths"][f"/api/v1/{path}"]["post"]["requestBody"]["content"]
        assert body["application/json"]["examples"], path


@pytest.mark.django_db
def test_the_document_and_its_page_are_served(client):
    schema = client.get("/api/schema/")
    page = client.get("/api/docs/")

    assert schema.json()["info"]["title"] == "Liuke"
    assert page.status_code == 200


@pytest.mark.django_db
def test_the_page_has_no_inline_code_and_all_its_files(client):
    page = client.get("/api/docs/")
    html = page.content.decode()
    policy = page["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert not re.search(r"<style|style=|<script(?![^>]*\bsrc=)|\bon\w+=", html)
    files = re.findall(r'(?:src|href)="/static/([^"]+)"', html)
    assert len(files) == 4
    assert all(finders.find(name) for name in files)
