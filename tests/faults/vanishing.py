"""Merges and erasures that are cut off: ``python -m tests.faults.vanishing``.

For every line on its input, ``VERB MOMENT HOW IDS``, a child does the verb, forked off a process
that has everything loaded, and one line says how it went: *done*, *killed*, or the error's class.

MOMENT says when it is cut off, ``-`` never, ``0.2`` after that many seconds, ``#40`` behind its
fortieth statement; and HOW by what: ``kill`` is ``kill -9``, ``wait`` stands still there, says
*there* and goes on with the next line, whatever has become of the database meanwhile.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.db import connection, connections
from django.utils import timezone

from contacts.models import Customer, Merge
from crm.actions.erasing import erase_customer
from crm.actions.merges import merge_customers, undo_merge


def do(verb: str, ids: list[int]) -> None:
    """Do the verb as the product does it, for nobody in particular."""
    now = timezone.now()
    people = [Customer.objects.get(pk=pk) for pk in ids]
    if verb == "merge":
        merge_customers(people[0], into=people[1], actor=None, now=now)
    elif verb == "unmerge":
        merge = Merge.objects.get(gone=people[0], kept=people[1], undone_at=None)
        undo_merge(merge, actor=None, now=now)
    else:
        erase_customer(people[0], actor=None, now=now)


def cut_off(statement: int, number: int) -> None:
    """End, or stand still, right after so many statements."""
    seen = 0

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal seen
        result = execute(sql, params, many, context)
        seen += 1
        if seen == statement:
            os.kill(os.getpid(), number)
        return result

    connection.execute_wrappers.append(watch)


def child(verb: str, moment: str, how: str, ids: list[int], out: int) -> None:
    """Do the verb in this process, which ends with it, and write into the pipe how it went."""
    if moment.startswith("#"):
        cut_off(int(moment[1:]), signal.SIGKILL if how == "kill" else signal.SIGSTOP)
    try:
        do(verb, ids)
    except Exception as error:  # noqa: BLE001 -- what it was is what the test asks
        os.write(out, type(error).__name__.encode())
    else:
        os.write(out, b"done")
    os._exit(0)


def attempt(verb: str, moment: str, how: str, ids: list[int]) -> None:
    """Fork, cut off, say how it went."""
    connections.close_all()
    told, out = os.pipe()
    pid = os.fork()
    if pid == 0:
        child(verb, moment, how, ids, out)
    os.close(out)
    if moment[0].isdigit():
        time.sleep(float(moment))  # the moment; nothing is waited for
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, os.WUNTRACED)[1]
    if os.WIFSTOPPED(status):
        _say("there")
        sys.stdin.readline()
        os.kill(pid, signal.SIGCONT)
        status = os.waitpid(pid, 0)[1]
    word = os.read(told, 100).decode()
    os.close(told)
    _say("killed" if os.WIFSIGNALED(status) else word)


def _say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    _say("ready")
    for line in sys.stdin:
        verb, moment, how, *ids = line.split()
        attempt(verb, moment, how, [int(pk) for pk in ids])
