"""How names are sorted and found: by pinyin, because no collation of the database knows Chinese."""

from functools import lru_cache

from pypinyin import Style, lazy_pinyin

NAME_KEY_LENGTH = 200


@lru_cache(maxsize=8192)
def name_key(name: str) -> str:
    """Return the sort key of a name: lower-case pinyin, syllables parted by a space."""
    return " ".join(lazy_pinyin(name)).lower()[:NAME_KEY_LENGTH]


@lru_cache(maxsize=8192)
def search_key(name: str, *more: str) -> str:
    """Return what a search box matches: the name, its pinyin in one word, its initials, and more.

    ``search_key("陈静")`` holds ``陈静``, ``chenjing`` and ``cj``; phone and member numbers
    are passed in ``more``.
    """
    whole = "".join(lazy_pinyin(name)).lower()
    initials = "".join(lazy_pinyin(name, style=Style.FIRST_LETTER)).lower()
    return " ".join([name.lower(), whole, initials, *(word.lower() for word in more if word)])
