"""A connector is a folder and passes the shared contract tests; adding one touches nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from redis import Redis

from config.places import ROOT
from connectors.channels import Channel, Variable, find_channels
from contacts.enums import IdentityKind, Role
from tests.builders import make_customer, make_identity, make_staff

FOLDER = '''
"""Fax: every letter is a line in a tray."""

from pathlib import Path

from connectors.base import Abilities, Answer, Outcome, Recovery
from connectors.channels import Channel, Variable


class FaxChannel:
    kind = "fax"
    abilities = Abilities(
        recovery=Recovery.KEYED,
        max_per_call=1,
        one_sender_per_call=False,
        personal_text=True,
        text_bytes=1_000,
        needs_confirmation=False,
        direct=True,
        address_kinds=("phone",),
    )

    def __init__(self, tray, head, copies):
        self._tray, self._head, self._copies = Path(tray), head, copies

    def send(self, letters):
        for letter in letters:
            if letter is not None:
                with self._tray.open("a") as tray:
                    tray.write(f"{self._head}|{letter.address}|{letter.text}\\n" * self._copies)
                yield Answer(letter.key, Outcome.TAKEN, reference=letter.key)

    def look_up(self, letter, *, since, until, known):
        raise NotImplementedError

    def close(self):
        pass


CHANNEL = Channel(
    kind="fax",
    label="Fax",
    label_in={"zh-hans": "传真"},
    needs="FAX_TRAY",
    variables=(
        Variable("FAX_TRAY"),
        Variable("LIUKE_FAX_HEAD", "none", setting="FAX_HEAD"),
        Variable("FAX_COPIES", 1, least=1),
    ),
    connect=lambda settings: FaxChannel(
        settings["FAX_TRAY"], settings["FAX_HEAD"], settings["FAX_COPIES"]
    ),
    address_kinds=("phone",),
)
'''
FAR_SIDE = """
from contextlib import contextmanager

from connectors.base import Recovery
from connectors.fax import FaxChannel
from tests.connectors.contract import Case, FarSide, Scene


@contextmanager
def open_far_side():
    yield FarSide(connect=lambda: FaxChannel("/dev/null", "", 1))


CASES = [
    Case(
        "fax", open_far_side, Recovery.KEYED, "+8613800000{:03}".format, 1,
        scenes=frozenset({Scene.TAKE}), has_connections=False, carries_keys=False,
    )
]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A place with the folder of a channel that nothing in the repository knows of."""
    (tmp_path / "fax").mkdir()
    (tmp_path / "fax" / "__init__.py").write_text(FOLDER, encoding="utf-8")
    (tmp_path / "fax" / "far_side.py").write_text(FAR_SIDE, encoding="utf-8")
    return tmp_path


def with_folder(
    place: Path, what: str, *, database: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    url = urlsplit(os.environ["DATABASE_URL"])
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "LIUKE_NO_BOOTSTRAP": "1",
        "DATABASE_URL": url._replace(path=f"/{database}").geturl() if database else url.geturl(),
        **more,
    }
    return subprocess.run(
        [sys.executable, "-m", "tests.crm.faxing", str(place), what],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_campaign_goes_out_through_a_folder_that_nobody_else_knows(
    place: Path, redis: Redis
) -> None:
    make_staff("Ada", role=Role.ADMINISTRATOR)
    make_staff("Yan", role=Role.MARKETER, phone="+8613900000001")
    for number, name in enumerate(("Chen", "Zhao")):
        make_identity(make_customer(name), f"+861380000000{number}", kind=IdentityKind.PHONE)
    make_customer("Wu")  # has no telephone

    done = with_folder(
        place,
        "campaign",
        database=connection.settings_dict["NAME"],
        FAX_TRAY=str(place / "tray"),
        LIUKE_FAX_HEAD="Shop",
        LIUKE_RATE_FAX="50",
    )

    assert not done.returncode, done.stderr
    assert json.loads(done.stdout) == {
        "available": ["wecom", "fax", "echo"],
        "offered": [["wecom", "WeCom"], ["fax", "Fax"], ["echo", "Echo, sends nothing"]],
        "in_chinese": "传真",
        "rate": 50,
        "rules": True,
        "filtered": True,
        "state": "done",
    }
    trial, *letters = (place / "tray").read_text().splitlines()
    assert trial.startswith("Shop|+8613900000001|Coats for ")
    assert sorted(letters) == [
        "Shop|+8613800000000|Coats for Chen",
        "Shop|+8613800000001|Coats for Zhao",
    ]


def test_the_tests_of_the_contract_find_it_by_themselves(place: Path) -> None:
    passed = with_folder(place, "contract")
    (place / "fax" / "far_side.py").unlink()
    without = with_folder(place, "contract")

    assert not passed.returncode, passed.stdout
    assert "8 passed" in passed.stdout
    assert "1 failed" in without.stdout


def test_a_number_that_makes_no_sense_stops_the_start(place: Path) -> None:
    done = with_folder(place, "campaign", FAX_TRAY=str(place / "tray"), FAX_COPIES="0")

    assert "BadSetting: FAX_COPIES must be at least 1, not 0." in done.stderr


def test_two_folders_cannot_be_one_channel(place: Path) -> None:
    (place / "fax").rename(place / "telefax")
    (place / "fax").mkdir()
    (place / "fax" / "__init__.py").write_text(FOLDER, encoding="utf-8")

    done = with_folder(place, "campaign")

    assert "Two folders in connectors/ are the channel 'fax'." in done.stderr


@pytest.mark.parametrize("kind", ["wecom", "", "Fax", "fax-2", "2fax", "telefacsimile"])
def test_a_kind_that_cannot_be_stored_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="cannot be called"):
        Channel(kind=kind, label="Fax", needs="FAX", connect=find_channels()["echo"].connect)


def test_the_variables_of_before_are_called_as_before() -> None:
    found = {
        kind: [one.name for one in channel.variables] for kind, channel in find_channels().items()
    }

    assert found == {
        "email": ["EMAIL_URL", "LIUKE_MAIL_FROM", "LIUKE_MAIL_RETURN_TO"],
        "sms": ["SMS_URL"],
        "webhook": [
            "CAMPAIGN_WEBHOOK_URL",
            "CAMPAIGN_WEBHOOK_SECRET",
            "CAMPAIGN_WEBHOOK_PER_CALL",
        ],
        "echo": [],
    }
    assert Variable("LIUKE_FAX", setting="FAX").called == "FAX"
