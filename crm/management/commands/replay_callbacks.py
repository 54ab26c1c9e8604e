"""``manage.py replay_callbacks``: work once more on the callbacks that were laid aside."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from crm.actions.callbacks import replay_dead_callbacks


class Command(BaseCommand):
    """Puts dead callbacks back into the inbox; the workers take them up within seconds."""

    help = "Work once more on the callbacks that were laid aside as dead."

    def handle(self, *args: Any, **options: Any) -> None:
        count = replay_dead_callbacks(now=timezone.now())
        self.stdout.write(f"{count} callbacks are back in the inbox")
