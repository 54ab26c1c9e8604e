"""Sends e-mails with django-post-office, for comparison: ``python -m bench.post_office URL MAILS``.

As its users run it: one row a mail in PostgreSQL, its own loop with a process for each core, large
batches, threads that keep their connections. Prints the mails a second, from
the first one queued to the last one sent, without the time that queueing takes.
"""

import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg
from django.conf import settings
from django.core.management import call_command
from psycopg.conninfo import conninfo_to_dict

DATABASE = "bench_post_office"
PROCESSES = 2


def _set_up(smtp: str) -> None:
    url = os.environ["DATABASE_URL"].replace("postgres:", "postgresql:", 1)
    home = conninfo_to_dict(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    gateway = urlsplit(smtp)
    settings.configure(
        INSTALLED_APPS=["post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": DATABASE,
                "USER": home["user"],
                "HOST": home["host"],
            }
        },
        EMAIL_HOST=gateway.hostname,
        EMAIL_PORT=gateway.port,
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        POST_OFFICE={"BATCH_SIZE": 5000, "LOG_LEVEL": 0},
    )
    django.setup()
    call_command("migrate", verbosity=0)


def _send(mails: int) -> float:
    from post_office import mail, models  # noqa: PLC0415 -- they need the settings

    mail.send_many(
        [
            {
                "sender": "Shop <news@shop.example>",
                "recipients": [f"p{number}@example.com"],
                "subject": "Spring",
                "message": f"Dear {number}, our spring coats are here: come and try one on.",
            }
            for number in range(mails)
        ]
    )
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        mail.send_queued_mail_until_done(str(Path(folder) / "lock"), PROCESSES, 0)
        seconds = time.perf_counter() - began
    sent = models.Email.objects.filter(status=models.STATUS.sent).count()
    if sent != mails:
        raise SystemExit(f"{sent} of {mails} e-mails were sent")
    return mails / seconds


if __name__ == "__main__":
    _set_up(sys.argv[1])
    sys.stdout.write(f"{_send(int(sys.argv[2])):.1f}\n")
