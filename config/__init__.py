"""Settings, processes and commands: knows every app, and nobody imports it.

The Celery application is imported here because `shared_task` would otherwise publish to
Celery's default broker in every process that is not a worker.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]
