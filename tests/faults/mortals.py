"""Workers that live for half a second: ``python -m tests.faults.mortals KILLS``.

Two at a time are forked off a process that has everything loaded, do what is due for campaigns
over and over, and are killed with ``kill -9``. Prints how many were killed while they were at it.
"""

import os
import random
import signal
import sys
import time

import django

if __name__ == "__main__":
    django.setup()

from django.db import connections
from django.utils import timezone

from campaigns.actions.batches import expire_leases
from campaigns.actions.due import campaigns_to_send
from campaigns.actions.pump import pump_campaign

LIVES = (0.3, 0.8)


def work() -> None:
    """What a worker and the sweeper do for campaigns, for ever."""
    while True:
        expire_leases(now=timezone.now())
        for campaign in campaigns_to_send(timezone.now()):
            pump_campaign(campaign)
        time.sleep(0.02)


def main(kills: int) -> None:
    """Fork, wait, kill."""
    struck = 0
    for _pair in range(kills // 2):
        connections.close_all()
        pair = []
        for _one in range(2):
            child = os.fork()
            if child == 0:
                work()
            pair.append(child)
        for child in pair:
            time.sleep(random.uniform(*LIVES) / 2)  # noqa: S311 -- a random moment
            os.kill(child, signal.SIGKILL)
            struck += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    sys.stdout.write(f"{struck}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
