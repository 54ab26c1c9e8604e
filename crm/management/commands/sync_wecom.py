"""``manage.py sync_wecom``: bring in what WeCom knows and we do not."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from connectors.wecom.errors import WeComError
from contacts.actions.sync import sync_from_wecom
from contacts.wecom import SYNCHRONISING, wecom


class Command(BaseCommand):
    """Staff, tags, customers, follows and leavers; safe to repeat and to interrupt."""

    help = "Bring in staff, tags, customers and follows from WeCom."

    def handle(self, *args: Any, **options: Any) -> None:
        client = wecom(patience=SYNCHRONISING)
        if client is None:
            raise CommandError(
                "WeCom is not set up: give WECOM_CORP_ID, WECOM_SECRET and the rest."
            )
        try:
            report = sync_from_wecom(client, now=timezone.now())
        except WeComError as error:
            raise CommandError(f"WeCom did not answer as expected: {error}") from error
        self.stdout.write(
            f"{report.staff} staff, {report.tags} tags, {report.follows_seen} follows seen, "
            f"{report.follows_new} new, {report.departed} departed"
        )
