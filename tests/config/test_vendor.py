"""The committed front-end files are those of the manifest."""

import json

from config import vendor


def test_vendored_files_are_complete_and_unchanged():
    assert vendor.differences() == []


def test_every_pinned_version_is_the_one_in_the_manifest():
    manifest = json.loads((vendor.FOLDER / vendor.MANIFEST).read_text())
    pinned = json.loads(vendor.SPECIFICATION.read_text())["packages"]

    assert {entry["from"] for entry in manifest.values()} == {
        f"{package['name']}@{package['version']}" for package in pinned
    }


def test_every_icon_that_a_template_names_is_in_the_sprite():
    sprite = (vendor.FOLDER / "tabler-sprite.svg").read_text()

    for icon in json.loads(vendor.SPECIFICATION.read_text())["packages"][-1]["icons"]:
        assert f'id="{icon}"' in sprite
