"""Compares the company with WeCom once; prints the follows, the seconds and the MB it grew by.

`python -m bench.comparing`, a process of its own: nothing else makes it grow.
"""

import logging
import resource
import sys
import time

from django.utils import timezone

import bench.ready  # noqa: F401 -- before the first model is imported
from contacts.enums import ReconciliationState
from crm.actions.reconcile import go_on, start_reconciliation


def compare() -> None:
    """From the first step to the last, as a worker does at night."""
    run = start_reconciliation(actor=None, now=timezone.now())
    before = _peak()
    began = time.perf_counter()
    go_on(run.pk, now=timezone.now(), stay=True)
    seconds = time.perf_counter() - began
    run.refresh_from_db()
    assert run.state == ReconciliationState.DONE, run.error
    sys.stdout.write(f"{run.seen['follows']} {seconds:.2f} {_peak() - before:.2f}\n")


def _peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # of each guide whom WeCom does not show
    compare()
