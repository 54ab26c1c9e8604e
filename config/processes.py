"""Child processes that die with their parent, and what an earlier, killed parent left behind.

Standard library only.
"""

import contextlib
import ctypes
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

LOG_LIMIT = 10_000_000  # bytes; a longer log is set aside when its process starts
GIVEN_WAY = 4  # as of `nice`; more costs letters wherever the far side shares the machine
_PR_SET_PDEATHSIG = 1
_LINUX: bool = sys.platform == "linux"
_LIBC = ctypes.CDLL(None) if _LINUX else None


@dataclass(frozen=True)
class Program:
    """A process to run: `stop_signal` asks it to end in good order."""

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str]
    directory: Path
    stop_signal: signal.Signals = signal.SIGTERM
    user: pwd.struct_passwd | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, so that Ctrl-C reaches only the supervisor.

        On Linux the kernel sends it `stop_signal` when the thread that started it ends.
        """
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent(self.stop_signal, os.getpid()),  # noqa: PLW1509 -- one C call
                user=self.user.pw_uid if self.user else None,
                group=self.user.pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
            )


def give_way() -> None:
    """Leave the processors to other processes as long as they want them.

    Linux may weigh whole sessions against each other, processes only within one (sched(7)); so a
    process that has a session of its own says it for the session as well.
    """
    os.nice(GIVEN_WAY)
    if _LINUX and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(GIVEN_WAY), encoding="ascii")


def _die_with_parent(wanted: signal.Signals, parent: int) -> Callable[[], None] | None:
    """What the child runs between fork and exec; after it changed user, which would undo it."""
    libc = _LIBC
    if libc is None:
        return None

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(wanted), 0, 0, 0)
        if os.getppid() != parent:  # the parent was faster to die
            os._exit(1)

    return ask_kernel


def end_group(pid: int, wanted: signal.Signals) -> None:
    """Send `wanted` to the process and everything it started, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, wanted)


def born(pid: int) -> str | None:
    """When the process began, in the system's own words; None when there is none (or a zombie).

    Together with the number this tells a process from a later one that got the same number.
    """
    if _LINUX:
        fields = _proc_stat(pid)
        return fields[19] if fields else None
    told = subprocess.run(
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or None


def group_lives(pid: int) -> bool:
    """Tell whether any process of the group that `pid` leads, or led, still runs."""
    if not _LINUX:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return False
        return True
    numbers = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return any(fields and fields[2] == str(pid) for fields in map(_proc_stat, numbers))


def working_in(folder: Path) -> list[int]:
    """The running processes whose working directory is `folder`; on Linux only, else none."""
    if not _LINUX:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return [pid for pid in found if _proc_stat(pid)]


def _proc_stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on; empty for none and for zombies.

    Zombies are dead for us: an init that does not reap would keep them for ever.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    fields = stat.rpartition(")")[2].split()
    return [] if fields[0] in {"Z", "X"} else fields


class Register:
    """The file that names our running children, for the next start after a `kill -9`."""

    def __init__(self, path: Path) -> None:
        """`path` need not exist."""
        self._path = path
        self._known: dict[str, tuple[int, str, int]] = {}

    def add(self, name: str, pid: int, stop_signal: signal.Signals) -> None:
        """Remember the child; a new one of the same name replaces the old."""
        self._known[name] = (pid, born(pid) or "", int(stop_signal))
        self._write()

    def clear(self) -> None:
        """All children have ended."""
        self._known.clear()
        self._path.unlink(missing_ok=True)

    def end_leftovers(self, patience: float = 5.0) -> list[str]:
        """End what an earlier supervisor left running; return the names.

        They get their stop signal and `patience` seconds, then SIGKILL. Only for the holder of
        the data folder's lock: anyone else would end a living installation.
        """
        left = {name: found for name, found in self._read().items() if _is_ours(*found[:2])}
        for pid, _, wanted in left.values():
            end_group(pid, signal.Signals(wanted))
        _wait_for_groups([found[0] for found in left.values()], patience)
        for pid, _, _ in left.values():
            end_group(pid, signal.SIGKILL)
        _wait_for_groups([found[0] for found in left.values()], 1.0)
        self._path.unlink(missing_ok=True)
        return sorted(left)

    def _read(self) -> dict[str, tuple[int, str, int]]:
        try:
            found: dict[str, tuple[int, str, int]] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def _write(self) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._known))
        draft.replace(self._path)


def _is_ours(pid: int, since: str) -> bool:
    """The number is not reused while a process of its group lives, so a leaderless group is ours."""
    now = born(pid)
    return now == since or (now is None and group_lives(pid))


def _wait_for_groups(pids: list[int], patience: float) -> None:
    deadline = time.monotonic() + patience
    while any(group_lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
