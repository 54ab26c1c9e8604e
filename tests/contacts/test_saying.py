"""Sentences that are kept and read later, in another language than they were said in."""

import json

import pytest
from django.utils.translation import override

from contacts.errors import RuleBroken
from contacts.saying import Kept, english, gettext, kept, kept_text, read, read_text

CHINESE = "负责人林悦已不再是营销人员。需由有权触达其中全部客户的同事重新安排。"
ENGLISH = "林悦, who answers for it, is no marketer any more. Somebody who may send to all of it has to schedule it again."


def said() -> RuleBroken:
    """A sentence within a sentence."""
    why = gettext("%(name)s, who answers for it, is no marketer any more.") % {"name": "林悦"}
    return RuleBroken(
        gettext("%(why)s Somebody who may send to all of it has to schedule it again.")
        % {"why": why}
    )


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_whatever_language_it_was_said_in_it_is_read_in_any(language: str) -> None:
    with override(language):
        error = said()
        assert str(error) == {"en": ENGLISH, "zh-hans": CHINESE}[language]
        sentence, text = json.loads(json.dumps(kept(error))), kept_text(error, longest=300)

    for read_in, words in (("en", ENGLISH), ("zh-hans", CHINESE)):
        with override(read_in):
            assert read(sentence) == read_text(text) == words
            assert english(sentence) == ENGLISH


def test_one_too_long_for_its_column_is_kept_in_english() -> None:
    with override("zh-hans"):
        assert kept_text(said(), longest=120) == ENGLISH[:120]


def test_one_without_gaps_is_kept_as_english_text() -> None:
    with override("zh-hans"):
        error = RuleBroken(gettext("WeCom is busy."))
        assert kept(error) == kept_text(error, longest=300) == "WeCom is busy."
        assert read_text("WeCom is busy.") == "企业微信系统繁忙。"


@pytest.mark.parametrize("sentence", ["", "Wu's own words: 100% sure.", '{"say" is no form'])
def test_what_nobody_translated_is_read_as_it_is(sentence: Kept) -> None:
    with override("zh-hans"):
        assert read(sentence) == read_text(str(sentence)) == sentence
