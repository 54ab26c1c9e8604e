"""Waking workers up. The database is the queue; this is only the doorbell."""

import logging
from functools import partial
from typing import Any

from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def ring(task: Task, *ids: int | str) -> None:
    """Wake a worker for these rows when the transaction has committed.

    A broker that is down costs the caller nothing, one that is silent its socket timeout, and
    neither an error: the sweeper finds the rows within seconds.
    """
    transaction.on_commit(partial(_publish, task, ids))


def _publish(task: Task, ids: tuple[Any, ...]) -> None:
    try:
        task.apply_async(ids, retry=False)
    except (OperationalError, OSError):
        logger.warning("broker unreachable, the sweeper will run %s", task.name)
