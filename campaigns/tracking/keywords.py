"""Words with which people end messages, or have them again, by answering one."""

import re
import unicodedata
from enum import StrEnum

from django.conf import settings

STOP = frozenset(
    {
        "t",
        "td",
        "退订",
        "退訂",
        "取消订阅",
        "取消訂閱",
        "stop",
        "stopall",
        "unsubscribe",
        "quit",
        "optout",
    }
)
START = frozenset({"start", "unstop", "开通", "恢复订阅"})

_QUOTE = re.compile(
    r"\s*(>|On .+ wrote:|-{2,} ?(Original|Forwarded)|_{5,}|From:|发件人|在.+写道:|-{2,} ?原始)",
    re.IGNORECASE,
)


class Wish(StrEnum):
    """What an answer asks for."""

    STOP = "stop"
    START = "start"


def wish_in(answer: str) -> Wish | None:
    """Return what the answer asks for, if it is one such word and nothing else.

    Width, case and the signs around it do not matter; what is quoted below, as mail programmes
    do, is left out. "Please do not stop" is no wish.
    """
    own = _own_words(unicodedata.normalize("NFKC", answer))
    word = _without_signs_around(own).casefold()
    extras = {extra.casefold() for extra in settings.STOP_WORDS}
    if word in STOP or not extras.isdisjoint({word, own.strip().casefold()}):
        return Wish.STOP
    return Wish.START if word in START else None


def wish_in_mail(answer: str) -> Wish | None:
    """Return what an answer by mail asks for: its first line says it, and nothing else.

    Below it people's programmes put names, telephones and greetings, which are no words of theirs.
    """
    own = _own_words(unicodedata.normalize("NFKC", answer)).splitlines()
    return wish_in(next((line for line in own if line.strip()), ""))


def _own_words(answer: str) -> str:
    own = []
    for line in answer.splitlines():
        if _QUOTE.match(line):
            break
        own.append(line)
    return "\n".join(own)


def _without_signs_around(text: str) -> str:
    places = [place for place, sign in enumerate(text) if sign.isalnum()]
    return text[places[0] : places[-1] + 1] if places else ""
