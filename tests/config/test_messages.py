"""The catalogues: complete, fresh, and watched over by a check that finds what is wrong."""

import shutil
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from django.utils.translation import gettext, ngettext, override

from config.messages import LANGUAGES, LOCALE, marked_texts, problems, update

CHINESE = "zh_Hans"


@pytest.fixture
def words():
    """A few of our texts, so that these tests do not fail for a translation that is missing."""
    few = Catalog()
    for text in ("Handovers", "Store", "%(n)s skipped", ("%(n)d day ago", "%(n)d days ago")):
        few.add(text, locations=[("page.html", 1)])
    return few


@pytest.fixture
def locale(tmp_path, words):
    """Their catalogue, which a test may spoil."""
    place = Path(shutil.copytree(LOCALE, tmp_path / "locale"))
    update(CHINESE, words, place)
    assert problems(CHINESE, words, place) == []
    return place


def test_every_catalogue_is_complete_and_fresh():
    wanted = marked_texts()

    assert {language: problems(language, wanted) for language in LANGUAGES} == {CHINESE: []}


def test_bringing_up_to_date_what_is_up_to_date_changes_nothing(words, locale):
    places = [locale / CHINESE / "LC_MESSAGES" / name for name in ("django.po", "django.mo")]
    before = [place.read_bytes() for place in places]

    update(CHINESE, words, locale)

    assert [place.read_bytes() for place in places] == before


def test_a_new_text_is_missing_until_it_is_translated(words, locale):
    words.add("A planted text.")

    before = problems(CHINESE, words, locale)
    update(CHINESE, words, locale)

    assert before == ["missing: 'A planted text.'"]
    assert problems(CHINESE, words, locale) == ["not translated: 'A planted text.'"]


def test_a_text_that_has_one_form_from_now_on_is_translated_anew(words, locale):
    words.delete("%(n)d day ago")
    words.add("%(n)d day ago")

    update(CHINESE, words, locale)

    assert problems(CHINESE, words, locale) == ["not translated: '%(n)d day ago'"]


def test_a_text_that_nobody_uses_any_more_is_found_and_leaves(words, locale):
    words.delete("Handovers")

    assert problems(CHINESE, words, locale) == ["no longer used: 'Handovers'"]

    update(CHINESE, words, locale)

    assert problems(CHINESE, words, locale) == []


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ('msgstr "门店"', 'msgstr "店铺"', "django.mo is not what django.po compiles to"),
        ('msgstr "门店"', 'msgstr ""', "not translated: 'Store'"),
        ('msgid "Store"', '#, fuzzy\nmsgid "Store"', "not translated: 'Store'"),
        (
            'msgstr "跳过 %(n)s 位"',
            'msgstr "跳过 %(m)s 位"',
            "placeholders differ: '%(n)s skipped'",
        ),
        ('msgstr[0] "%(n)d 天前"', 'msgstr[0] "前天"', "placeholders differ: '%(n)d days ago'"),
    ],
)
def test_a_spoilt_catalogue_is_found(words, locale, good, bad, fault):
    place = locale / CHINESE / "LC_MESSAGES" / "django.po"
    before = place.read_text(encoding="utf-8")
    assert good in before

    place.write_text(before.replace(good, bad, 1), encoding="utf-8")

    assert fault in problems(CHINESE, words, locale)


def test_texts_are_found_in_code_and_in_templates(tmp_path):
    code, template = tmp_path / "crm" / "views.py", tmp_path / "templates" / "page.html"
    for place in (code, template):
        place.parent.mkdir()
    code.write_text('from x import gettext as _\n\nhello = _("Hello")\n', encoding="utf-8")
    template.write_text(
        "<p>it's\n    {% blocktranslate count n=n %}{{ n }} cat{% plural %}{{ n }} cats"
        '{% endblocktranslate %}\n  {% translate "May" context "month" %} 100%</p>',
        encoding="utf-8",
    )

    found = marked_texts(tmp_path)

    assert [message.id for message in found if message.id] == [
        "Hello",
        ("%(n)s cat", "%(n)s cats"),
        "May",
    ]
    assert found.get("May", context="month")


def test_a_catalogue_that_does_not_exist_is_a_fault(tmp_path):
    assert problems(CHINESE, Catalog(), tmp_path) == ["django.po of zh_Hans does not exist"]


def test_django_speaks_the_compiled_catalogue():
    with override("zh-hans"):
        assert gettext("Handovers") == "交接"
        assert ngettext("%(n)d day ago", "%(n)d days ago", 3) % {"n": 3} == "3 天前"
