"""The words of the screens in other languages: `python -m config.messages [--check]`.

Takes every marked text out of code and templates into the catalogue of each language in `locale/`,
and compiles it. Done in Python, so that nobody needs GNU gettext; the compiled file is committed,
so that running Liuke does not need Babel either.
"""

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from config.places import ROOT

LOCALE = ROOT / "locale"
CODE = ("config", "crm", "campaigns", "contacts", "connectors")
LANGUAGES = ("zh_Hans",)
# Arguments of a call that are texts; "c" marks the context, which keeps two meanings apart.
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|(?<!%)%[a-z]|{\w+}")
HEADER = (
    "# The words of Liuke's screens. Written by `manage.py messages`; translate the msgstr lines."
)
# Lines of the header that would differ at every run, or are Babel's examples.
NEEDLESS = (
    b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Generated-By', b'"Last-Translator',
    b'"Language-Team', b'"Report-Msgid-Bugs-To',
)  # fmt: skip
UNDATED = datetime(2000, 1, 1, tzinfo=UTC)

Key = tuple[str, str | None]
"""A text and its context."""


def marked_texts(root: Path = ROOT) -> Catalog:
    """Collect every text that code and templates mark for translation."""
    found = Catalog(project="Liuke")
    for name in CODE:
        for path in sorted((root / name).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if "gettext" in source and "migrations" not in path.parts:
                _collect(found, source, path.relative_to(root))
    for path in sorted((root / "templates").rglob("*.*")):
        python = templatize(path.read_text(encoding="utf-8"))
        # What is left of the page around the calls is no Python: its indentation means nothing.
        flat = "\n".join(line.strip() for line in python.splitlines())
        _collect(found, flat, path.relative_to(root))
    return found


def update(language: str, wanted: Catalog, locale: Path = LOCALE) -> None:
    """Bring the catalogue of a language in line with `wanted` and compile it.

    Translations are kept by their exact text; a text that changed is a new one, without a guess.
    """
    old, new = _translations(language, locale), _empty(language)
    for message in _messages(wanted):
        said = old.get(_key(message))
        new.add(
            message.id,
            said.string if said and said.pluralizable == message.pluralizable else None,
            locations=sorted(set(message.locations)),
            context=message.context,
        )
    for message in _messages(new):
        message.flags = {"python-format"} if "%(" in str(message.id) else set()
    path = _path(language, locale)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_without_dates(new))
    path.with_suffix(".mo").write_bytes(_compiled(path))


def problems(language: str, wanted: Catalog, locale: Path = LOCALE) -> list[str]:
    """Say what is missing, left over, half-done or stale in the catalogue; empty when all is well."""
    path = _path(language, locale)
    if not path.exists():
        return [f"{path.name} of {language} does not exist"]
    said = _translations(language, locale)
    asked = {_key(message): message for message in _messages(wanted)}
    found = [f"missing: {text!r}" for text, _ in sorted(asked.keys() - said.keys(), key=str)]
    found += [
        f"no longer used: {text!r}" for text, _ in sorted(said.keys() - asked.keys(), key=str)
    ]
    for key in asked.keys() & said.keys():
        found += _faults(said[key])
    stale = path.with_suffix(".mo")
    if not stale.exists() or _texts(stale.read_bytes()) != _texts(_compiled(path)):
        found.append(f"{stale.name} is not what {path.name} compiles to")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Bring all languages up to date, or with `--check` only look; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="messages", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="change nothing; fail when stale")
    options = parser.parse_args(arguments)
    wanted = marked_texts()
    found = []
    for language in LANGUAGES:
        if not options.check:
            update(language, wanted)
        found += [f"{language}: {fault}" for fault in problems(language, wanted)]
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    return 1 if found else 0


def _empty(language: str) -> Catalog:
    return Catalog(
        locale=language, project="Liuke", version="1", header_comment=HEADER, fuzzy=False
    )


def _collect(found: Catalog, source: str, path: Path) -> None:
    calls = extract("python", BytesIO(source.encode()), KEYWORDS, options={"encoding": "utf-8"})
    for line, text, _comments, context in calls:
        found.add(text, locations=[(path.as_posix(), line)], context=context)


def _messages(catalogue: Catalog) -> Iterator[Message]:
    """All but the header."""
    return (message for message in catalogue if message.id)


def _key(message: Message) -> Key:
    singular = message.id if isinstance(message.id, str) else message.id[0]
    return singular, message.context


def _translations(language: str, locale: Path) -> dict[Key, Message]:
    path = _path(language, locale)
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {_key(message): message for message in _messages(read_po(file, locale=language))}


def _faults(message: Message) -> Iterator[str]:
    """What is wrong with one translation."""
    ids = [message.id] if isinstance(message.id, str) else list(message.id)
    strings = [message.string] if isinstance(message.string, str) else list(message.string or [""])
    if message.fuzzy or not all(strings):
        yield f"not translated: {ids[0]!r}"
        return
    # The plural form is the one that has all placeholders: "one customer" needs no number.
    wanted = sorted(set(PLACEHOLDER.findall(ids[-1])))
    if any(sorted(set(PLACEHOLDER.findall(string))) != wanted for string in strings):
        yield f"placeholders differ: {ids[-1]!r}"
    if any("%(" in found for found in wanted) and not all(map(_can_be_filled, strings)):
        yield f"a sign of per cent that is not doubled: {ids[-1]!r}"


def _can_be_filled(string: str) -> bool:
    try:
        string % defaultdict(int)  # raises where a lone % stands
    except (TypeError, ValueError):
        return False
    return True


def _without_dates(catalogue: Catalog) -> bytes:
    """Return the catalogue as a file that changes only when a text changes."""
    file = BytesIO()
    write_po(file, catalogue, width=100, sort_by_file=True, include_lineno=False)
    lines = file.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(NEEDLESS))


def _compiled(path: Path) -> bytes:
    file = BytesIO()
    with path.open("rb") as source:
        catalogue = read_po(source, locale=path.parts[-3])
    catalogue.creation_date = UNDATED
    write_mo(file, catalogue)
    return file.getvalue()


def _texts(compiled: bytes) -> dict[Key, object]:
    return {_key(message): message.string for message in _messages(read_mo(BytesIO(compiled)))}


def _path(language: str, locale: Path) -> Path:
    return locale / language / "LC_MESSAGES" / "django.po"


if __name__ == "__main__":
    sys.exit(main())
