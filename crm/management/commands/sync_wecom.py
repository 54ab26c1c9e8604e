"""``manage.py sync_wecom``: compare everything with WeCom, and say what was found."""

import time
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.enums import FindingKind, ReconciliationState
from contacts.errors import MovedOn
from contacts.models import Reconciliation
from contacts.wecom import wecom
from crm.actions.reconcile import go_on, start_reconciliation

PATIENCE = 600
"""Seconds without a page got done, after which the command gives up; the comparison waits on."""


class Command(BaseCommand):
    """Staff, tags, customers, follows, leavers and owners; safe to repeat and to interrupt."""

    help = "Compare everything with WeCom: repair what is safe, list the rest."

    def handle(self, *args: Any, **options: Any) -> None:
        if wecom() is None:
            raise CommandError(
                "WeCom is not set up: give WECOM_CORP_ID, WECOM_SECRET and the rest."
            )
        with suppress(MovedOn):  # the one under way is gone on with
            start_reconciliation(actor=None, now=timezone.now())
        run = self._to_the_end(Reconciliation.objects.latest("pk"))
        if run.state == ReconciliationState.FAILED:
            raise CommandError(f"WeCom did not answer as expected: {run.error}")
        self._report(run)

    def _to_the_end(self, run: Reconciliation) -> Reconciliation:
        stood, since = run.place, time.monotonic()
        while run.state == ReconciliationState.RUNNING:
            if not go_on(run.pk, now=timezone.now(), stay=True):
                time.sleep(1)  # another worker is at it, or WeCom is busy
            run.refresh_from_db()
            if run.place != stood:
                stood, since = run.place, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise CommandError("WeCom is busy. The comparison goes on when it is not.")
        return run

    def _report(self, run: Reconciliation) -> None:
        seen = {name: run.seen.get(name, 0) for name in ("members", "tags", "follows")}
        self.stdout.write(", ".join(f"{number} {name}" for name, number in seen.items()) + " seen")
        if erased := run.seen.get("erased"):
            self.stdout.write(f"passed over: {erased} follows of customers who were erased")
        for word, counts in (("repaired", run.repaired), ("listed", run.listed)):
            for kind in FindingKind:
                if counts.get(kind):
                    self.stdout.write(f"{word}: {counts[kind]} {kind.label}")
        if not run.repaired and not run.listed:
            self.stdout.write("nothing to repair, nothing to decide")
