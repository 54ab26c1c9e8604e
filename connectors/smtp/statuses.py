"""What a mail server's figures mean: did it arrive, and will anything at this address?"""

import re
from collections.abc import Iterable, Mapping

from connectors.base import ReceiptKind

_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])")
_ABOUT_THE_SENDER = frozenset({"5.1.7", "5.1.8"})
_DEAD_REPLIES = frozenset({"550", "551", "553"})

Judged = tuple[ReceiptKind | None, str]
"""What it means, nothing for steps on the way, and the code that says so."""


def judge(blocks: Iterable[Mapping[str, str]]) -> Judged:
    """Judge the groups of fields in a delivery status notification (RFC 3464).

    A letter has one recipient, whom a server may have turned into several: it failed if it
    failed for all of them, and nothing will get there if that is said of all of them.
    """
    rows = [(_action(block), _code(block)) for block in blocks if "action" in block]
    failed = [code for action, code in rows if action == "failed"]
    if failed and len(failed) == len(rows):
        dead = all(map(is_dead, failed))
        return (ReceiptKind.BOUNCED if dead else ReceiptKind.FAILED), failed[0]
    if any(action == "delivered" for action, _code in rows):
        return ReceiptKind.DELIVERED, ""
    return None, ""


def judge_words(words: str) -> Judged:
    """Judge a bounce in words by the first figures in it."""
    code = _code_in(words)
    return (ReceiptKind.BOUNCED if is_dead(code) else ReceiptKind.FAILED), code


def is_dead(code: str) -> bool:
    """Whether the address leads nowhere: X.1.Z of RFC 3463 and a mailbox that is closed for good.

    A mailbox that is full, or words that are taken for spam, say nothing of the next letter.
    """
    if "." not in code:
        return code in _DEAD_REPLIES
    return code == "5.2.1" or (code.startswith("5.1.") and code not in _ABOUT_THE_SENDER)


def _action(block: Mapping[str, str]) -> str:
    return block["action"].partition("(")[0].strip().lower()


def _code(block: Mapping[str, str]) -> str:
    """Return the status; where it says no more than that it failed, what the server before said."""
    status = _code_in(block.get("status", ""))
    if status and not status.endswith(".0.0"):
        return status
    return _code_in(block.get("diagnostic-code", "")) or status


def _code_in(words: str) -> str:
    """Return the enhanced code in these words, else the reply's three figures."""
    words = words[:20_000]
    for found in _ENHANCED.finditer(words):
        if not found[0].endswith(".0.0"):
            return found[0]
    found_reply = _REPLY.search(words)
    if found_reply:
        return found_reply[0]
    vague = _ENHANCED.search(words)
    return vague[0] if vague else ""
