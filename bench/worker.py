"""A worker process that sends one campaign to its end: ``python -m bench.worker CAMPAIGN``.

It says that it is ready, and begins when a line comes in. As many pumps side by side as the doorbell wakes, in threads of one process, as our workers run.
Prints the most memory that it took, in MiB.
"""

import resource
import sys
import time
from threading import Thread

from django.db import connection

import bench.ready  # noqa: F401 -- before the first model is imported
from campaigns.actions.campaigns import PUMPS
from campaigns.actions.pump import pump_campaign
from campaigns.models import Batch


def _pump(campaign_id: int) -> None:
    try:
        while pump_campaign(campaign_id) or _is_open(campaign_id):
            time.sleep(0.05)
    finally:
        connection.close()


def _is_open(campaign_id: int) -> bool:
    return Batch.objects.filter(campaign=campaign_id, state="waiting").exists()


if __name__ == "__main__":
    connection.ensure_connection()
    connection.close()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    pumps = [Thread(target=_pump, args=(int(sys.argv[1]),)) for _ in range(PUMPS)]
    for pump in pumps:
        pump.start()
    for pump in pumps:
        pump.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"{peak}\n")
