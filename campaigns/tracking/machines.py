"""Telling machines from people: scanners of mail open letters and follow every link in them."""

import re
from collections.abc import Mapping

_MACHINE = re.compile(
    r"bot\b|bot/|crawl|spider|scan|preview|prefetch|headless|monitor|validator|checker"
    r"|curl|wget|python|okhttp|go-http|java/|libwww|httpx|axios|node-fetch|ruby|perl|php"
    r"|barracuda|mimecast|proofpoint|safelinks|symantec|trendmicro|forcepoint|fireeye|sophos"
    r"|cisco|ironport|messagelabs|zscaler|trustwave|facebookexternalhit|slackbot|whatsapp|telegram"
    r"|skypeuripreview|microsoft office|ms-office|bitdefender|kaspersky|qihoo|360spider|bytespider",
    re.IGNORECASE,
)
_AHEAD = ("Purpose", "X-Purpose", "Sec-Purpose", "X-Moz")
"""Headers with which programmes say that nobody has asked for the page yet."""


def is_machine(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a programme asks, not a person, by what it says of itself.

    The proxies through which mail services show images to people count as people.
    """
    if method != "GET":
        return True
    if any(
        word in headers.get(name, "").lower() for name in _AHEAD for word in ("prefetch", "preview")
    ):
        return True
    agent = headers.get("User-Agent", "")
    return not agent.strip() or _MACHINE.search(agent) is not None
