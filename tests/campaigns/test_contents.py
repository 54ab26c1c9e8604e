"""The library: versions follow one another, and nobody overwrites another's."""

import pytest

from campaigns.actions.contents import archive_content, create_content, revise_content
from campaigns.models import Content, Folder
from connectors.sms.parts import parts_of
from contacts.errors import MovedOn, RuleBroken
from tests.builders import NOON, make_content, make_staff

pytestmark = pytest.mark.django_db


def revise(content, text="Newer words", folder="Autumn"):
    fields = {"name": content.name, "text": text, "attachments": [], "folder": folder}
    return revise_content(content, **fields, actor=make_staff("Tao"), now=NOON)


def test_a_change_is_a_new_version_and_the_old_one_stays():
    first = make_content("Old words", folder="Autumn")

    second = revise(first)

    first.refresh_from_db()
    assert (first.text, second.text) == ("Old words", "Newer words")
    assert (second.version, second.replaces) == (2, first)


def test_of_two_who_change_the_same_version_the_second_is_told():
    first = make_content("Old words", folder="Autumn")
    revise(first)

    with pytest.raises(MovedOn):
        revise(first, "Mine")

    assert list(Content.objects.order_by("pk").values_list("text", flat=True)) == [
        "Old words",
        "Newer words",
    ]


def test_what_is_not_in_the_library_has_no_versions():
    with pytest.raises(MovedOn):
        revise(make_content("A campaign's own words"))
    with pytest.raises(RuleBroken):
        revise(make_content("Old words", folder="Autumn"), folder=" ")
    assert not Content.objects.filter(version__gt=1).exists()


def test_the_database_keeps_versions_in_a_row(refused_by):
    first = make_content(folder="Autumn")
    with refused_by("content_version_follows"):
        Content.objects.create(name="x", text="x", version=2)
    with refused_by("content_version_follows"):
        Content.objects.create(name="x", text="x", replaces=first, folder=first.folder)


def test_only_the_current_version_is_put_away_and_only_once():
    tao = make_staff("Tao")
    first = make_content(folder="Autumn")
    second = revise(first)

    with pytest.raises(MovedOn):
        archive_content(first, actor=tao, now=NOON)
    archive_content(second, actor=tao, now=NOON)
    with pytest.raises(MovedOn):
        archive_content(second, actor=tao, now=NOON)
    with pytest.raises(MovedOn):
        revise(second)


def test_a_folder_is_made_when_it_is_first_named():
    for _time in range(2):
        create_content(name="Coats", text="Hi", folder="  Winter  sale ", actor=None, now=NOON)
    assert Folder.objects.get().name == "Winter sale"


@pytest.mark.parametrize(("name", "text"), [("", "Hi"), ("Coats", ""), ("Coats", "x" * 10_001)])
def test_a_message_without_a_name_or_words_is_refused(name, text):
    with pytest.raises(RuleBroken):
        create_content(name=name, text=text, actor=None, now=NOON)
    assert not Content.objects.exists()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 0),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("好" * 70, 1),
        ("好" * 71, 2),
        ("好" * 134, 2),
        ("好" * 135, 3),
        ("🎉" * 35, 1),
        ("🎉" * 36, 2),
        ("a" * 152 + "€" + "a" * 10, 2),
    ],
)
def test_parts_of_an_sms(text, parts):
    assert parts_of(text) == parts
