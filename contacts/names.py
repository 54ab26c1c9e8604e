"""How names are sorted and found: by pinyin, because no collation of the database knows Chinese."""

from functools import lru_cache

NAME_KEY_LENGTH = 200


@lru_cache(maxsize=8192)
def name_key(name: str) -> str:
    """Return the sort key of a name: lower-case pinyin, syllables parted by a space."""
    return " ".join(_syllables(name)).lower()[:NAME_KEY_LENGTH]


@lru_cache(maxsize=8192)
def search_key(name: str, *more: str) -> str:
    """Return what a search box matches: the name, its pinyin in one word, its initials, and more.

    ``search_key("陈静")`` holds ``陈静``, ``chenjing`` and ``cj``; phone and member numbers
    are passed in ``more``.
    """
    syllables = _syllables(name)
    whole = "".join(syllables).lower()
    initials = "".join(syllable[:1] for syllable in syllables).lower()
    return " ".join([name.lower(), whole, initials, *(word.lower() for word in more if word)])


def _syllables(name: str) -> list[str]:
    from pypinyin import lazy_pinyin  # noqa: PLC0415 -- its dictionary takes every process 0.3 s

    return lazy_pinyin(name)
