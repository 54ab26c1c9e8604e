"""Links in the words of a campaign: made into rows when it is planned, and short when it is sent."""

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from campaigns.channels import is_direct
from campaigns.models import Campaign, TrackedLink
from campaigns.placeholders import PLACEHOLDER
from campaigns.tracking.tokens import TokenUse, maker

LONGEST_URL = 2048
MOST_LINKS = 200
_MOST_KEPT = 64
"""Texts whose links are remembered; a campaign has a few, unless it is filled beforehand."""

_URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%{}|]+")
_TRAILING = ".,;:!?'|}*"
_HREF = re.compile(r"(<a\b[^>]*?\shref\s*=\s*)([\"'])(https?://(?:(?!\2)[^<>])*)\2", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cut:
    """A place in some words where something stands that is made for each customer."""

    begin: int
    end: int
    before: str
    make: Callable[[int], str]
    after: str = ""


def register_links(
    campaign: Campaign, *, texts: Iterable[str], htmls: Iterable[str] = ()
) -> list[TrackedLink]:
    """Make a row of every address that the words lead to, and return those that are new.

    Call it when the campaign is planned, with the words as they were typed, for every variant;
    twice is harmless. Addresses with a placeholder in them differ from person to person: they
    stay as they are, and are not counted. Nor are those in channels that send one text to many.
    """
    if not campaign.track_clicks or not is_direct(campaign.channel):
        return []
    found = [url for text in texts for url in urls_in_text(text)]
    found += [url for page in htmls for url in urls_in_html(page)]
    with transaction.atomic():
        Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        known = dict(TrackedLink.objects.filter(campaign=campaign).values_list("url", "seq"))
        fresh = [url for url in dict.fromkeys(found) if url not in known]
        begin = max(known.values(), default=0) + 1
        room = max(MOST_LINKS - len(known), 0)
        return TrackedLink.objects.bulk_create(
            TrackedLink(campaign=campaign, seq=seq, url=url)
            for seq, url in enumerate(fresh[:room], begin)
        )


def urls_in_text(text: str) -> list[str]:
    """Return the addresses in a plain text that can be made short, in their order."""
    return [text[begin:end] for begin, end in _spans(text)]


def urls_in_html(page: str) -> list[str]:
    """Return the addresses to which the anchors of a page lead and that can be made short."""
    found = (html.unescape(match[3]).strip() for match in _HREF.finditer(page))
    return [url for url in found if _is_fit(url)]


class Linker:
    """Makes the links of one campaign personal. One query when it is made, none afterwards.

    Give it the words before their placeholders are filled: then a link is looked for once per
    campaign, and a customer whose name looks like an address makes no link.
    """

    def __init__(self, campaign: Campaign) -> None:
        self._base = settings.PUBLIC_URL
        rows = TrackedLink.objects.filter(campaign=campaign).values_list("url", "seq")
        self._makers = {
            url: maker(TokenUse.LINK, campaign.pk, seq)
            for url, seq in rows
            if campaign.track_clicks
        }
        self._unsubscribe = maker(TokenUse.UNSUBSCRIBE, campaign.pk)
        self._opening = maker(TokenUse.OPENING, campaign.pk) if campaign.track_opens else None
        self._texts: dict[str, Callable[[int], str]] = {}
        self._pages: dict[str, Callable[[int], str]] = {}

    def text(self, text: str, customer_id: int) -> str:
        """Return a plain text with the customer's own short links in place of the addresses."""
        return _kept(text, self._texts, self.cuts_in_text)(customer_id)

    def html(self, page: str, customer_id: int) -> str:
        """Return a page whose anchors lead to short links, with the image that tells of opening."""
        return _kept(page, self._pages, self.cuts_in_html)(customer_id)

    def unsubscribe_url(self, customer_id: int) -> str:
        """Return the address where the customer ends these messages, without a login."""
        return f"{self._base}/u/{self._unsubscribe(customer_id)}"

    def cuts_in_text(self, text: str) -> list[Cut]:
        """Return where in a plain text which short links have to stand."""
        found = [(begin, end, text[begin:end]) for begin, end in _spans(text)]
        return self._cuts(found)

    def cuts_in_html(self, page: str) -> list[Cut]:
        """Return where in a page which short links have to stand, and the image of opening."""
        found = [
            (match.start(3), match.end(3), html.unescape(match[3]).strip())
            for match in _HREF.finditer(page)
        ]
        cuts = self._cuts(found)
        if self._opening is not None and page.strip():
            end = _last_body_end(page)
            before, after = f'<img src="{self._base}/o/', '.gif" width="1" height="1" alt="">'
            cuts.append(Cut(end, end, before, self._opening, after))
        return cuts

    def _cuts(self, found: Iterable[tuple[int, int, str]]) -> list[Cut]:
        return [
            Cut(begin, end, f"{self._base}/l/", self._makers[url])
            for begin, end, url in found
            if url in self._makers
        ]


def _kept(
    words: str, kept: dict[str, Callable[[int], str]], cuts_in: Callable[[str], list[Cut]]
) -> Callable[[int], str]:
    joined = kept.get(words)
    if joined is None:
        joined = _joiner(words, cuts_in(words))
        if len(kept) < _MOST_KEPT:
            kept[words] = joined
    return joined


def _joiner(words: str, cuts: list[Cut]) -> Callable[[int], str]:
    """Return what puts the words together for one customer."""
    pairs, place, after = [], 0, ""
    for cut in cuts:
        pairs.append((after + words[place : cut.begin] + cut.before, cut.make))
        place, after = cut.end, cut.after
    last = after + words[place:]

    def join(customer_id: int) -> str:
        return "".join([before + make(customer_id) for before, make in pairs]) + last

    return join


def _spans(text: str) -> Iterable[tuple[int, int]]:
    """Return where the addresses are: without the full stop or bracket that follows them."""
    for match in _URL.finditer(text):
        url = _without_tail(match[0])
        if _is_fit(url):
            yield match.start(), match.start() + len(url)


def _without_tail(url: str) -> str:
    if PLACEHOLDER.search(url):
        return url
    while True:
        shorter = url.rstrip(_TRAILING)
        for opening, closing in ("()", "[]"):
            if shorter.endswith(closing) and shorter.count(opening) < shorter.count(closing):
                shorter = shorter[:-1]
        if shorter == url:
            return url
        url = shorter


def _is_fit(url: str) -> bool:
    host = url.partition("://")[2]
    return (
        host[:1].isalnum()
        and len(url) <= LONGEST_URL
        and _URL.fullmatch(url) is not None
        and not PLACEHOLDER.search(url)
    )


def _last_body_end(page: str) -> int:
    found = [match.start() for match in _BODY_END.finditer(page)]
    return found[-1] if found else len(page)
