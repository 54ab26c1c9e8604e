"""What every test of the API starts from."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from contacts.models import Staff
from crm.api.keys import issue_key

Api = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def _quick_start(settings) -> None:
    """Let no client read through all static files first; requests of earlier tests do not count."""
    settings.WHITENOISE_AUTOREFRESH = True
    cache.clear()


@pytest.fixture
def api(db) -> Api:
    """A function that returns a client with a key of this person: ``api(hua, "staff:read")``."""

    def client_for(staff: Staff, *scopes: str) -> APIClient:
        _row, key = issue_key(staff, name="test", scopes=scopes, now=timezone.now())
        client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
        client.default_format = "json"
        return client

    return client_for


@pytest.fixture
def upon() -> Callable[[str, Callable[[], object]], AbstractContextManager[None]]:
    """A function that makes something happen just before the statement with these words runs."""

    @contextmanager
    def watching(words: str, happen: Callable[[], object]) -> Iterator[None]:
        def watch(execute, sql, params, many, context):
            if words in sql:
                happen()
            return execute(sql, params, many, context)

        with connection.execute_wrapper(watch):
            yield

    return watching
