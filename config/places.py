"""Where Liuke keeps its state on this machine. Standard library only."""

import errno
import hashlib
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOCKET_PATH_LIMIT = 100  # bytes; the kernel's own limit is 108 on Linux and 104 on macOS


@dataclass(frozen=True)
class Places:
    """The directories of one installation.

    `moved_because` is a sentence for people when `data` is not where it was asked to be.
    """

    data: Path
    sockets: Path
    moved_because: str = ""

    def make(self) -> None:
        """Create what is missing of `data`, open for the servers' account to pass through.

        A directory that exists keeps its mode. Raises `OSError`, also when a place of ours in
        the temporary folder was laid there by somebody else.
        """
        for place in {self.data, self.sockets.parent}:
            missing = [step for step in (place, *place.parents) if not step.exists()]
            for step in reversed(missing):
                step.mkdir(exist_ok=True)
                step.chmod(0o711)  # whatever the umask says; each thing inside is closed itself
            if place.parent == Path(tempfile.gettempdir()) and place.lstat().st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "it belongs to another account", str(place))

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.data / "log"

    @property
    def postgres_socket(self) -> Path:
        """The directory that libpq wants as its host."""
        return self.sockets

    @property
    def valkey_socket(self) -> Path:
        """The socket file of the broker and cache."""
        return self.sockets / "valkey.sock"

    @property
    def database_url(self) -> str:
        """How to reach the embedded PostgreSQL."""
        return f"postgres://liuke@/liuke?host={self.postgres_socket}"

    @property
    def redis_url(self) -> str:
        """How to reach the embedded Valkey."""
        return f"unix://{self.valkey_socket}?db=0"


def server_user() -> pwd.struct_passwd | None:
    """The existing account the servers run as when we are root, else None.

    PostgreSQL refuses to run as root. Raises `LookupError` when root has no such account.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LookupError(
        "Running as root needs an account named postgres or nobody for the database server: "
        "run as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )


def find_places(wanted: Path | None = None) -> Places:
    """Resolve `LIUKE_DATA_DIR` (or `wanted`) to directories the servers can really use."""
    if wanted is None:
        wanted = Path(os.environ.get("LIUKE_DATA_DIR") or ROOT / "var")
    wanted = wanted.expanduser().absolute()
    user = server_user()
    data, why = wanted, ""
    if user and not can_enter(wanted, user):
        data = _substitute(wanted)
        why = f"{wanted} is closed to the database's account {user.pw_name}; data is in {data}"
    sockets = data / "run"
    if len(os.fsencode(sockets / ".s.PGSQL.5432.lock")) > SOCKET_PATH_LIMIT:
        sockets = _substitute(wanted) / "run"
    return Places(data, sockets, why)


def can_enter(path: Path, user: pwd.struct_passwd) -> bool:
    """Tell whether `user` may traverse every existing directory above and including `path`."""
    for place in (path, *path.parents):
        try:
            found = place.stat()
        except FileNotFoundError:
            continue
        bit = stat.S_IXOTH
        if found.st_uid == user.pw_uid:
            bit = stat.S_IXUSR
        elif found.st_gid == user.pw_gid:
            bit = stat.S_IXGRP
        if not found.st_mode & bit:
            return False
    return True


def _substitute(wanted: Path) -> Path:
    """A short path of our own in the temporary folder, the same on every start."""
    name = hashlib.sha256(f"{os.geteuid()}:{wanted}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"liuke-{name}"
