"""The documents say what the code does: commands, variables and links."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from django.test import Client

from config.places import ROOT
from connectors.channels import find_channels
from connectors.webhook.signing import make_secret, signed_headers
from contacts.enums import Role
from contacts.models import User
from crm.access import viewer_for

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
OPERATIONS = ROOT / "docs" / "operations.md"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def variables_read() -> set[str]:
    """Every variable that settings and channels read, and our own that config reads elsewhere."""
    settings = (ROOT / "config" / "settings.py").read_text(encoding="utf-8")
    found = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', settings))
    for module in (ROOT / "config").glob("*.py"):
        text = module.read_text(encoding="utf-8")
        found |= set(re.findall(r'environ(?:\.get\(|\[)"(LIUKE_[A-Z_]+)"', text))
    for channel in find_channels().values():
        found |= {channel.rate_variable, *(variable.name for variable in channel.variables)}
    return found


def variables_documented() -> set[str]:
    """The first column of the table of settings, and of those in the folders of connectors."""
    pages = [OPERATIONS, *(ROOT / "connectors").glob("*/README.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    rows = re.findall(r"^\| (`[A-Z][^|]*) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_named_exists(page: Path):
    named = set(re.findall(r"manage\.py ([a-z_]+)", page.read_text(encoding="utf-8")))

    assert named <= set(get_commands())


def test_every_command_of_ours_is_named_somewhere():
    ours = {name for name, app in get_commands().items() if app in {"config", "crm"}}
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)

    assert {name for name in ours if not re.search(rf"`[^`\n]*\b{name}\b", text)} == set()


def test_every_variable_that_is_read_is_documented_and_no_other():
    assert variables_documented() == variables_read()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r'\]\(([^)\s]+)\)|src="([^"]+)"', text)
    targets = [(one or other).partition("#")[0] for one, other in links]
    inside = [target for target in targets if target and "://" not in target]

    assert [target for target in inside if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_to_a_heading_meets_one(page: Path):
    text = page.read_text(encoding="utf-8")
    missing = []
    for target, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", text):
        other = (page.parent / target) if target else page
        headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        if anchor not in slugs:
            missing.append(f"{target}#{anchor}")

    assert missing == []


@pytest.mark.django_db
def test_the_first_steps_make_a_guide_who_can_sign_in(client: Client):
    steps = re.findall(r"```python\n(.+?)```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)

    exec(steps[0], {})  # noqa: S102 -- our own page, exactly as a person would paste it

    assert client.login(username="linyue", password="a long passphrase")
    assert viewer_for(User.objects.get(username="linyue").staff).has(Role.GUIDE)


def test_the_example_verifies_what_webhooks_send():
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    space: dict[str, Any] = {}
    exec(example, space)  # noqa: S102 -- our own page, exactly as a person would paste it
    verify, secret, body = space["verify"], make_secret(), '{"said": "你好"}'.encode()
    now = int(time.time())

    rotating = signed_headers("evt_1", now, body, [make_secret(), secret])
    old = signed_headers("evt_1", now - 301, body, [secret])

    assert verify(secret, rotating, body)
    assert not verify(secret, old, body)
    assert not verify(secret, rotating, body + b" ")
    assert not verify(make_secret(), rotating, body)
    assert not verify(secret, rotating | {"webhook-id": "evt_2"}, body)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=name_of)
def test_a_decision_fits_on_a_page_and_names_the_rejected_road(page: Path):
    text = page.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 40
    assert "**Rejected.**" in text


def test_the_screenshot_is_small():
    assert (ROOT / "docs" / "img" / "today.png").stat().st_size < 200_000
