"""The Celery application: a doorbell for work that waits in PostgreSQL."""

import os
from typing import Any

from celery import Celery, Task, signals
from django.db import close_old_connections

from config.processes import give_way

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

RING_SECONDS = 1.0
"""How long somebody who rings waits for a broker that says nothing; workers listen for longer."""


class Doorbell(Celery):
    """Celery as we use it: whoever rings goes on soon, also when the broker has fallen silent."""

    def connection_for_write(self, url: str | None = None, **kwargs: Any) -> Any:
        """Open a connection to ring on."""
        options = kwargs.pop("transport_options", None) or {}
        limits = {"socket_timeout": RING_SECONDS, "socket_connect_timeout": RING_SECONDS}
        return super().connection_for_write(url, transport_options=limits | options, **kwargs)


app = Doorbell("liuke")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.task_prerun.connect
def _drop_dead_connections(sender: Task, **kwargs: Any) -> None:
    """Before a task, close a session that is too old or that the server has cut.

    `CELERY_DB_REUSE_MAX` keeps sessions from task to task; without this a restarted database
    would leave each thread with a dead one for ever.
    """
    if not sender.request.is_eager:
        close_old_connections()


@signals.celeryd_after_setup.connect
def _let_others_go_first(sender: str, instance: Any, **kwargs: Any) -> None:
    """What can wait takes what is left of the processors: pages stay quick during a campaign."""
    if set(instance.app.amqp.queues.consume_from) == {"bulk"}:
        give_way()
