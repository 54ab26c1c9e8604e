"""Opens the customer list of an administrator until told to stop; prints each latency in ms."""

import select
import sys
import time

import django

PAUSE = 0.05


def read() -> None:
    """Ten pages or so a second, like a store full of people."""
    from django.conf import settings  # noqa: PLC0415 -- Django has just been set up
    from django.test import Client  # noqa: PLC0415

    from contacts.models import Staff  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    manager = Staff.objects.get(name="Manager")
    assert manager.user
    client.force_login(manager.user, backend="django.contrib.auth.backends.ModelBackend")
    client.get("/customers/")
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        began = time.perf_counter()
        answer = client.get("/customers/")
        assert answer.status_code == 200
        sys.stdout.write(f"{(time.perf_counter() - began) * 1000:.2f}\n")


if __name__ == "__main__":
    django.setup()
    read()
