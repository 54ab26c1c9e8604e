"""Build `.venv` from the hash-locked requirements and run the command inside it.

Standard library only, loaded by path from `manage.py` before any package exists. Does nothing
when `LIUKE_NO_BOOTSTRAP` is set or when the caller's own virtual environment has Django.
"""

import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "liuke.json"
UNFINISHED = VENV / "liuke-unfinished"

RUN = ("requirements.txt", "requirements-embedded.txt")
DEVELOP = (*RUN, "requirements-dev.txt")
BROWSER = (*DEVELOP, "requirements-browser.txt")
BENCH = (*RUN, "requirements-bench.txt")
DEVELOPER_COMMANDS = ("test", "check_all", "messages")

NO_SPACE = "The disk is full: free some space (the environment needs about 400 MB) and run the command again."


def ensure(arguments: list[str]) -> None:
    """Return inside a complete environment: build it and re-execute the command where needed.

    `arguments` is the command line without the program. Ends the process with one sentence
    when this machine cannot hold the environment.
    """
    if os.environ.get("LIUKE_NO_BOOTSTRAP") or _callers_environment_will_do():
        return
    locks = _locks_for(arguments)
    if not _is_complete(locks):
        _refuse_strange_machine()
        try:
            _build(locks)
        except OSError as error:
            sys.exit(_sentence_for(error))
    if Path(sys.prefix) != VENV:
        os.execv(PYTHON, [str(PYTHON), *sys.argv])


def _locks_for(arguments: list[str]) -> tuple[str, ...]:
    """Only what the command needs: a demo must not wait for test tools."""
    command = arguments[0] if arguments else "help"
    if command == "bench":
        return BENCH
    if command not in DEVELOPER_COMMANDS:
        return RUN
    return BROWSER if "--browser" in arguments else DEVELOP


def _callers_environment_will_do() -> bool:
    active = sys.prefix != sys.base_prefix and Path(sys.prefix) != VENV
    return active and importlib.util.find_spec("django") is not None


def _digest(lock: str) -> str:
    return hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()


def _stamp() -> dict[str, str]:
    """What is installed: lock file to digest, and where; empty when unusable or moved here."""
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    usable = stamp.get("at") == str(VENV) and PYTHON.exists() and not UNFINISHED.exists()
    return stamp if usable else {}


def _is_complete(locks: tuple[str, ...]) -> bool:
    stamp = _stamp()
    return all(stamp.get(lock) == _digest(lock) for lock in locks)


def _build(locks: tuple[str, ...]) -> None:
    with _only_one_builder():
        if _is_complete(locks):
            return  # another process built it while this one waited
        began = time.monotonic()
        _say(f"preparing the environment in {VENV} (once, about half a minute)")
        stamp = _stamp()
        if not stamp:
            _create_environment()
        UNFINISHED.touch()  # a half-installed package looks installed: never trust it, start over
        _install([lock for lock in locks if stamp.get(lock) != _digest(lock)])
        stamp |= {"at": str(VENV)} | {lock: _digest(lock) for lock in locks}
        STAMP.write_text(json.dumps(stamp, indent=1))
        UNFINISHED.unlink()
        _say(f"ready after {time.monotonic() - began:.0f} s")


@contextlib.contextmanager
def _only_one_builder() -> Iterator[None]:
    """Hold the lock beside `.venv`; the kernel frees it when the process dies, however it dies."""
    import fcntl  # noqa: PLC0415 -- absent on Windows, which is refused before

    with (ROOT / ".venv.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _create_environment() -> None:
    try:
        import venv  # noqa: PLC0415 -- some systems package it apart
    except ImportError:
        sys.exit(_no_installer())
    shutil.rmtree(VENV, ignore_errors=True)
    venv.EnvBuilder(with_pip=False, symlinks=True, clear=True).create(VENV)


def _install(locks: list[str]) -> None:
    command = [*_installer(), "--require-hashes"]
    for lock in locks:
        command += ["-r", str(ROOT / lock)]
    environment = os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode == 0:
        return
    output = done.stdout + done.stderr
    if os.strerror(errno.ENOSPC) in output:
        sys.exit(NO_SPACE)
    sys.stderr.write(output[-2000:])
    sys.exit("The packages could not be installed (see above); nothing was started.")


def _installer() -> list[str]:
    """The fastest tool present: uv, the caller's pip, or the pip bundled with Python."""
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--no-deps", "--python", str(PYTHON)]
    # No byte-compiling: Python does that on first import, for what is really imported.
    flags = "install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary :all:"
    pip = [sys.executable, "-m", "pip", "--python", str(PYTHON)]  # known to pip 22.3 and newer
    if _works([*pip, "--version"]):
        return [*pip, *flags.split()]
    if _works([str(PYTHON), "-m", "ensurepip"]):
        return [str(PYTHON), "-m", "pip", *flags.split()]
    sys.exit(_no_installer())


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _no_installer() -> str:
    return (
        f"This Python ({sys.executable}) has neither pip nor ensurepip: install your system's "
        "python3-pip and python3-venv packages, or uv, and run the command again."
    )


def _refuse_strange_machine() -> None:
    """End with one sentence where no prebuilt packages exist."""
    systems = {"linux": ("x86_64", "aarch64"), "darwin": ("x86_64", "arm64")}
    machine = platform.machine()
    libc = platform.libc_ver()[0]
    if machine in systems.get(sys.platform, ()) and (sys.platform == "darwin" or libc == "glibc"):
        return
    sys.exit(
        f"Liuke runs on Linux with glibc (x86_64, arm64) and on macOS, not on {sys.platform} "
        f"{machine}: use a virtual machine or a Debian container, or install requirements.txt "
        "yourself and set LIUKE_NO_BOOTSTRAP, DATABASE_URL and REDIS_URL."
    )


def _sentence_for(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NO_SPACE
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{ROOT} cannot be written to ({error.strerror}): use a checkout of your own."
    return f"The environment could not be built in {VENV}: {error}."


def _say(words: str) -> None:
    sys.stdout.write(f"liuke: {words}\n")
    sys.stdout.flush()
