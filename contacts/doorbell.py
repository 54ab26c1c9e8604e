"""Waking workers up. The database is the queue; this is only the doorbell."""

import logging
import time
from functools import partial
from typing import Any

from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

QUIET_SECONDS = 2.0
"""Nobody rings for so long after a broker has not answered: the sweeper looks as often."""

_quiet_until = 0.0


def ring(task: Task, *ids: int | str, expires: float | None = None) -> None:
    """Wake a worker for these rows when the transaction has committed.

    A ring that nobody answers within ``expires`` seconds is forgotten: whoever rings again and
    again gives it, so that rings do not pile up in front of others.

    A broker that is down costs the caller nothing, one that is silent a second, however much is
    rung for, and neither an error: the sweeper finds the rows within seconds.
    """
    transaction.on_commit(partial(_publish, task, ids, expires))


def _publish(task: Task, ids: tuple[Any, ...], expires: float | None) -> None:
    global _quiet_until  # noqa: PLW0603 -- what this process knows of the broker
    if time.monotonic() < _quiet_until:
        return
    options: dict[str, Any] = {"expires": expires} if expires else {}
    try:
        task.apply_async(ids, retry=False, **options)
    except (OperationalError, OSError):
        _quiet_until = time.monotonic() + QUIET_SECONDS
        logger.warning("broker unreachable, the sweeper will run %s", task.name)
