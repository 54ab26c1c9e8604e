"""``manage.py check_invariants``: does everything that always holds, hold?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.invariants import Finding, check_rules, waiting_for_people


class Command(BaseCommand):
    """Prints each promise with the number of rows that break it; exits 1 if there are any."""

    help = "Prints each promise with the number of rows that break it; exits 1 if there are any."

    def handle(self, *args: Any, **options: Any) -> None:
        """Check everything, however much is broken, and fail at the end."""
        broken = 0
        for finding in check_rules(now=timezone.now()):
            self._print(finding)
            broken += finding.rows
        for words, waiting in waiting_for_people():
            if waiting:
                self.stdout.write(
                    _("For a person to decide: %(what)s: %(n)s") % {"what": words, "n": waiting}
                )
        if broken:
            raise CommandError(
                ngettext("%(n)s row breaks a promise.", "%(n)s rows break a promise.", broken)
                % {"n": broken}
            )

    def _print(self, finding: Finding) -> None:
        line = f"{finding.rule.number:>2}  {finding.rows:>8}  {finding.rule.promise}"
        self.stdout.write(self.style.ERROR(line) if finding.rows else line)
        for example in finding.examples:
            self.stdout.write(f"{'':14}{example}")
        if finding.rows > len(finding.examples):
            self.stdout.write(f"{'':14}…")
