"""Child processes: how they are told apart, ended, and found again after a crash."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.processes import Program, Register, born, end_group, group_lives

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); time.sleep(60)",
)


def program(folder, command=SLEEPER):
    return Program(
        name="sleeper",
        command=command,
        log=folder / "sleeper.log",
        environment={**os.environ, "PYTHONUNBUFFERED": "1"},
        directory=Path("/"),
    )


def until(condition, patience=5.0):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def sleeper(tmp_path):
    process = program(tmp_path).start()
    yield process
    end_group(process.pid, signal.SIGKILL)
    process.wait()


def test_a_process_is_known_by_number_and_birth(sleeper):
    before = born(sleeper.pid)

    assert before
    assert born(sleeper.pid) == before
    assert before != born(os.getpid())


def test_a_dead_process_has_no_birth_even_unreaped(sleeper):
    sleeper.kill()

    until(lambda: born(sleeper.pid) is None)
    assert sleeper.returncode is None  # still a zombie of ours


def test_the_output_goes_to_the_log_and_a_long_log_is_set_aside(tmp_path):
    log = tmp_path / "sleeper.log"
    log.write_bytes(b"x" * 10_000_001)

    program(tmp_path, (sys.executable, "-c", "print('hello')")).start().wait()

    assert log.read_text() == "hello\n"
    assert (tmp_path / "sleeper.old.log").stat().st_size == 10_000_001


def test_the_next_start_ends_what_a_killed_supervisor_left(sleeper, tmp_path):
    Register(tmp_path / "children.json").add("sleeper", sleeper.pid, signal.SIGTERM)

    ended = Register(tmp_path / "children.json").end_leftovers()

    assert ended == ["sleeper"]
    assert sleeper.wait(5) == -signal.SIGTERM
    assert not (tmp_path / "children.json").exists()


def test_a_leftover_that_ignores_its_signal_is_killed(tmp_path):
    process = program(tmp_path, STUBBORN).start()
    until(lambda: (tmp_path / "sleeper.log").stat().st_size)
    Register(tmp_path / "children.json").add("sleeper", process.pid, signal.SIGTERM)

    Register(tmp_path / "children.json").end_leftovers(patience=0.3)

    assert process.wait(5) == -signal.SIGKILL


def test_a_number_that_was_given_to_another_program_is_left_alone(sleeper, tmp_path):
    (tmp_path / "children.json").write_text(json.dumps({"web": [sleeper.pid, "long ago", 15]}))

    assert Register(tmp_path / "children.json").end_leftovers() == []
    assert sleeper.poll() is None


def test_a_spoilt_register_stops_nothing(tmp_path):
    (tmp_path / "children.json").write_text("{")

    assert Register(tmp_path / "children.json").end_leftovers() == []


def test_children_of_a_killed_child_belong_to_its_group(tmp_path):
    parent = (
        sys.executable,
        "-c",
        f"import subprocess, time; subprocess.Popen({SLEEPER!r}); print(1); time.sleep(60)",
    )
    process = program(tmp_path, parent).start()
    until(lambda: (tmp_path / "sleeper.log").stat().st_size)
    process.kill()
    process.wait()

    assert group_lives(process.pid)

    end_group(process.pid, signal.SIGKILL)
    until(lambda: not group_lives(process.pid))


@pytest.mark.faults
def test_the_kernel_ends_the_children_of_a_killed_parent(tmp_path):
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from config.processes import Program\n"
        f"program = Program('s', {SLEEPER!r}, Path(sys.argv[1]), dict(os.environ), Path('/'))\n"
        "print(program.start().pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()

    until(lambda: born(child) is None)
