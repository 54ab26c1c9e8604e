"""Servers of the bench's own, durable like in production, and a fresh copy of the company."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from config import embedded
from config.places import ROOT, Places
from config.processes import Program, Register, end_group

TEMPLATE, COPY = "bench_template", "bench"


@contextmanager
def bench_servers(places: Places) -> Iterator[None]:
    """Run PostgreSQL and Valkey in the bench's own folder."""
    places.make()
    register = Register(places.data / "children.json")
    register.end_leftovers()
    running: list[tuple[Program, subprocess.Popen[bytes]]] = []

    def start(program: Program) -> Callable[[], bool]:
        process = program.start()
        running.append((program, process))
        register.add(program.name, process.pid, program.stop_signal)
        return lambda: process.poll() is None

    try:
        embedded.wait_for_postgres(places, start(embedded.postgres_program(places)))
        embedded.wait_for_valkey(places, start(embedded.valkey_program(places)))
        yield
    finally:
        for program, process in reversed(running):
            end_group(process.pid, program.stop_signal)
            process.wait(60)
        register.clear()


def fresh_company(places: Places, say: Callable[[str], None]) -> dict[str, str]:
    """Copy the company, making it first where it is missing or of another version.

    Returns the environment in which Django finds the copy.
    """
    with psycopg.connect(_url(places, "postgres"), autocommit=True) as connection:
        wanted = _version()
        if _comment(connection) != wanted:
            say("making a company of 1,000,000 customers; once, some minutes")
            _create(connection, TEMPLATE)
            command = [sys.executable, "-m", "bench.company"]
            subprocess.run(command, cwd=ROOT, env=_environment(places, TEMPLATE), check=True)
            connection.execute(f"COMMENT ON DATABASE {TEMPLATE} IS '{wanted}'")
        say("copying the company")
        _create(connection, COPY, f"TEMPLATE {TEMPLATE}")
        connection.execute("CHECKPOINT")
    return _environment(places, COPY)


def _create(
    connection: psycopg.Connection[tuple[object, ...]], name: str, options: str = ""
) -> None:
    connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.execute(f"CREATE DATABASE {name} {options}")


def _comment(connection: psycopg.Connection[tuple[object, ...]]) -> object:
    found = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
        [TEMPLATE],
    ).fetchone()
    return found[0] if found else None


def _version() -> str:
    """A digest of everything that makes the company what it is."""
    digest = hashlib.sha256((ROOT / "bench" / "company.py").read_bytes())
    for path in sorted(ROOT.glob("*/migrations/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _url(places: Places, database: str) -> str:
    return f"postgresql://liuke@/{database}?host={places.postgres_socket}"


def _environment(places: Places, database: str) -> dict[str, str]:
    return os.environ | {
        "LIUKE_NO_BOOTSTRAP": "1",
        "LIUKE_DATA_DIR": str(places.data),
        "DATABASE_URL": _url(places, database).replace("postgresql:", "postgres:"),
        "REDIS_URL": places.redis_url,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        # Set up, so that requests are prepared; nothing is ever called.
        "WECOM_CORP_ID": "ww0000000000000001",
        "WECOM_SECRET": "bench",
        "WECOM_API_URL": "http://127.0.0.1:9/cgi-bin",
    }
