"""Who comes in, on the pages of managers and marketers; and where mails come in."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from contacts.enums import Role
from contacts.models import Staff
from tests.builders import make_staff, sign_in
from tests.mailboxes import MailboxServer, open_mailbox_server


@pytest.fixture
def hua() -> Staff:
    """The manager of the first store."""
    return make_staff("Hua", role=Role.MANAGER)


@pytest.fixture
def manager(client: Client, hua: Staff) -> Client:
    """The browser of that manager."""
    return sign_in(client, hua)


@pytest.fixture
def yan() -> Staff:
    """A marketer of the whole company."""
    return make_staff("Yan", role=Role.MARKETER)


@pytest.fixture
def marketer(client: Client, yan: Staff) -> Client:
    """The browser of that marketer."""
    return sign_in(client, yan)


@pytest.fixture
def box(settings: Any) -> Iterator[MailboxServer]:
    """The mailbox in which bounces and answers arrive."""
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1:9", "Shop <news@shop.example>"
    with open_mailbox_server() as server:
        settings.MAILBOX_URL = server.url()
        yield server
