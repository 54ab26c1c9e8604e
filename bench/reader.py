"""Opens pages as an administrator until told to stop; prints each latency in ms.

``python -m bench.reader PATH…``, in a process of its own: ``reading`` starts and stops it.
"""

import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings
from django.test import Client

import bench.ready  # noqa: F401 -- before the first model is imported
from config.places import ROOT
from contacts.models import Staff

PAUSE = 0.05


@contextmanager
def reading(*paths: str) -> Iterator[list[float]]:
    """Let another process open the pages again and again; yields its latencies, in ms, at the end."""
    latencies: list[float] = []
    command = [sys.executable, "-m", "bench.reader", *paths]
    reader = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield latencies
    finally:
        said, _ = reader.communicate("stop\n")
        latencies += [float(line) for line in said.split()]


def _read(paths: Sequence[str]) -> None:
    """Ten pages or so a second, like a store full of people."""
    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    manager = Staff.objects.get(name="Manager")
    assert manager.user
    client.force_login(manager.user, backend="django.contrib.auth.backends.ModelBackend")
    for path in paths:
        client.get(path)
    while True:
        for path in paths:
            if select.select([sys.stdin], [], [], PAUSE)[0]:
                return
            began = time.perf_counter()
            answer = client.get(path)
            assert answer.status_code == 200
            sys.stdout.write(f"{(time.perf_counter() - began) * 1000:.2f}\n")


if __name__ == "__main__":
    _read(sys.argv[1:])
