"""A worker process that sends one campaign to its end: ``python -m bench.worker CAMPAIGN``.

It says that it is ready, and begins when a line comes in. One pump does it all: a second in the
same process would only wait for it. Prints the most memory that it took, in MiB.
"""

import resource
import sys
import time

from django.db import connection

import bench.ready  # noqa: F401 -- before the first model is imported
from campaigns.actions.pump import pump_campaign
from campaigns.models import Batch
from config.processes import give_way


def _is_open(campaign_id: int) -> bool:
    return Batch.objects.filter(campaign=campaign_id, state="waiting").exists()


if __name__ == "__main__":
    give_way()
    connection.ensure_connection()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    campaign = int(sys.argv[1])
    while pump_campaign(campaign) or _is_open(campaign):
        time.sleep(0.05)  # the other process holds what is left
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"{peak}\n")
