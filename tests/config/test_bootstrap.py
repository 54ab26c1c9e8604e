"""The bootstrap, run for real by the bare interpreter in a folder of its own.

The lock files are empty, so that an environment takes a second and no network.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.places import ROOT

LOCKS = ("requirements.txt", "requirements-embedded.txt", "requirements-dev.txt")
SCRIPT = """
import runpy, sys
runpy.run_path("config/bootstrap.py")["ensure"](sys.argv[1:])
print(sys.prefix)
"""
BARE = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    (folder / "config").mkdir(parents=True)
    shutil.copy(ROOT / "config" / "bootstrap.py", folder / "config")
    (folder / "script.py").write_text(SCRIPT)
    for lock in LOCKS:
        (folder / lock).write_text("# nothing\n")
    return folder


@pytest.fixture
def run(plain_environment):
    def run_in(folder, *arguments, **extra):
        done = subprocess.run(
            [BARE, "script.py", *arguments],
            cwd=folder,
            env=plain_environment | extra,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run_in


def installed(folder):
    return {lock for lock in LOCKS if lock in json.loads((folder / ".venv/liuke.json").read_text())}


def test_a_command_runs_inside_a_new_environment(checkout, run):
    status, said, _ = run(checkout, "up")

    assert status == 0
    assert said.splitlines()[0].startswith("liuke: preparing the environment")
    assert said.splitlines()[-1] == str(checkout / ".venv")


def test_the_second_time_nothing_is_prepared(checkout, run):
    run(checkout, "up")

    assert run(checkout, "up") == (0, f"{checkout}/.venv\n", "")


def test_test_tools_are_installed_only_for_those_who_test(checkout, run):
    run(checkout, "demo")
    before = installed(checkout)

    run(checkout, "test")

    assert before == {"requirements.txt", "requirements-embedded.txt"}
    assert installed(checkout) == set(LOCKS)


@pytest.mark.faults
def test_a_changed_lock_is_installed(checkout, run):
    run(checkout, "up")
    (checkout / "requirements.txt").write_text("# nothing yet\n")

    _, said, _ = run(checkout, "up")

    assert "preparing the environment" in said


@pytest.mark.faults
def test_an_interrupted_installation_starts_over(checkout, run):
    run(checkout, "up")
    (checkout / ".venv" / "liuke-unfinished").touch()
    (checkout / ".venv" / "half").touch()

    status, _, _ = run(checkout, "up")

    assert status == 0
    assert not (checkout / ".venv" / "half").exists()


@pytest.mark.faults
def test_a_moved_checkout_gets_a_new_environment(checkout, run):
    run(checkout, "up")
    moved = checkout.rename(checkout.with_name("moved"))

    _, said, _ = run(moved, "up")

    assert said.splitlines()[-1] == str(moved / ".venv")


@pytest.mark.faults
def test_of_two_at_once_one_builds_and_both_run(checkout, plain_environment):
    both = [
        subprocess.Popen(
            [BARE, "script.py", "up"], cwd=checkout, env=plain_environment, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate()[0].decode() for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sum("preparing" in words for words in said) == 1


def test_an_environment_of_ones_own_is_left_alone(checkout, run):
    status, said, _ = run(checkout, "up", LIUKE_NO_BOOTSTRAP="1")

    assert (status, said.strip()) == (0, os.path.realpath(sys.base_prefix))
    assert not (checkout / ".venv").exists()


def test_without_pip_and_ensurepip_one_sentence_says_what_to_install(checkout, run):
    for name in ("pip", "ensurepip"):  # packages that cannot be run hide the real ones
        (checkout / "hidden" / name).mkdir(parents=True)
        (checkout / "hidden" / name / "__init__.py").touch()

    status, _, said = run(checkout, "up", PYTHONPATH=str(checkout / "hidden"), PATH="/nowhere")

    assert status == 1
    assert "has neither pip nor ensurepip: install" in said
    assert "Traceback" not in said


def test_a_full_disk_is_one_sentence(checkout, run):
    fake = checkout / "hidden" / "pip"
    fake.mkdir(parents=True)
    (fake / "__init__.py").touch()
    (fake / "__main__.py").write_text(
        "import sys\n"
        "if '--version' not in sys.argv: sys.exit('ERROR: [Errno 28] No space left on device')\n"
    )

    status, _, said = run(checkout, "up", PYTHONPATH=str(checkout / "hidden"), PATH="/nowhere")

    assert status == 1
    assert said.startswith("The disk is full: free some space")
    assert len(said.splitlines()) == 1


def test_an_old_python_gets_a_sentence(plain_environment):
    source = (ROOT / "manage.py").read_text()
    ast.parse(source, feature_version=(3, 6))
    pretend = "import sys; sys.version_info = (3, 8, 10); exec(open('manage.py').read())"

    done = subprocess.run(
        [BARE, "-c", pretend], cwd=ROOT, env=plain_environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("Liuke needs Python 3.11 or newer, and this is Python 3.8:")
    assert len(done.stderr.splitlines()) == 1
