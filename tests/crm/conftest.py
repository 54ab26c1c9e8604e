"""Who comes in, on the pages of managers."""

import pytest
from django.test import Client

from contacts.enums import Role
from contacts.models import Staff
from tests.builders import make_staff, sign_in


@pytest.fixture
def hua() -> Staff:
    """The manager of the first store."""
    return make_staff("Hua", role=Role.MANAGER)


@pytest.fixture
def manager(client: Client, hua: Staff) -> Client:
    """The browser of that manager."""
    return sign_in(client, hua)
