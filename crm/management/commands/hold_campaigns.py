"""``manage.py hold_campaigns``: after a restored backup, let nothing go out by itself."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from campaigns.actions.holding import hold_everything


class Command(BaseCommand):
    """Pauses what would go out, so that people can look before anything goes out twice."""

    help = "Pause all campaigns and series, and take scheduled posts back, before workers start."

    def handle(self, *args: Any, **options: Any) -> None:
        """Hold everything back, and say how much it was."""
        held = hold_everything(now=timezone.now())
        self.stdout.write(
            f"paused: {held.campaigns} campaigns, {held.series} series; posts: "
            f"{held.posts} taken back, {held.cancelled_posts} that were being sent cancelled"
        )
