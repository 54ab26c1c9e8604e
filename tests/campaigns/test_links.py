"""Links in letters: what is made short, for whom, and that nobody else can make one."""

from typing import Any

import pytest

from campaigns.models import Campaign, TrackedLink
from campaigns.tracking.links import Linker, register_links, urls_in_html, urls_in_text
from campaigns.tracking.tokens import BadToken, Token, TokenUse, maker, read_token
from tests.builders import make_campaign

SHOP = "https://shop.example/new?a=1&b=2"
CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def letters(*texts: str, **fields: Any) -> Campaign:
    """A campaign of letters whose links are registered."""
    campaign = make_campaign(channel="email", **fields)
    register_links(campaign, texts=texts)
    return campaign


def tokens_in(text: str) -> list[Token]:
    return [
        read_token(url.rpartition("/")[2], TokenUse.LINK)
        for url in urls_in_text(text)
        if "/l/" in url
    ]


@pytest.mark.parametrize("use", TokenUse)
@pytest.mark.parametrize("numbers", [(1, 1, 0), (127, 128, 3), (70_000, 18_000_000, 200)])
def test_token_says_what_it_was_made_of(use: TokenUse, numbers: tuple[int, int, int]) -> None:
    campaign, customer, link = numbers

    token = maker(use, campaign, link)(customer)

    assert read_token(token, use) == Token(campaign, customer, link)
    assert len(token) <= 28
    assert token[-1].isalnum(), "a programme that finds links in a text would leave it out"


def test_no_token_ends_in_punctuation() -> None:
    make = maker(TokenUse.LINK, 7, 1)

    assert all(make(customer)[-1].isalnum() for customer in range(1, 40_000, 7))


@pytest.mark.parametrize("use", TokenUse)
def test_token_with_one_sign_changed_is_bad(use: TokenUse) -> None:
    token = maker(use, 300, 2)(4000)

    for place, sign in enumerate(token):
        for other in CHARS:
            if other != sign:
                with pytest.raises(BadToken):
                    read_token(token[:place] + other + token[place + 1 :], use)


def test_token_is_good_for_one_use_only() -> None:
    token = maker(TokenUse.LINK, 3, 0)(4)

    for use in (TokenUse.OPENING, TokenUse.UNSUBSCRIBE):
        with pytest.raises(BadToken):
            read_token(token, use)


@pytest.mark.parametrize("text", ["", "A", "=", "ü", "A" * 49, "____", "//////////////", "\x00"])
def test_nonsense_is_a_bad_token(text: str) -> None:
    with pytest.raises(BadToken):
        read_token(text, TokenUse.LINK)


def test_token_outlives_a_change_of_the_secret_key(settings: Any) -> None:
    token = maker(TokenUse.UNSUBSCRIBE, 3)(4)
    old = settings.SECRET_KEY

    settings.SECRET_KEY = "another-secret-key-of-enough-length"
    with pytest.raises(BadToken):
        read_token(token, TokenUse.UNSUBSCRIBE)
    settings.SECRET_KEY_FALLBACKS = [old]

    assert read_token(token, TokenUse.UNSUBSCRIBE) == Token(3, 4)
    assert maker(TokenUse.UNSUBSCRIBE, 3)(4) != token


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        (f"Look: {SHOP}.", [SHOP]),
        (f"看看{SHOP}，新款到店", [SHOP]),
        (f"({SHOP})", [SHOP]),
        ("https://a.example/w_(x)", ["https://a.example/w_(x)"]),
        ("http://a.example http://b.example!", ["http://a.example", "http://b.example"]),
        ("https://a.example/?c={customer}", []),
        ("https://a.example/?c={customer|you}.", []),
        ("https://a.example/{oddly}", ["https://a.example/{oddly"]),
        ("ftp://a.example javascript:alert(1) https:// www.a.example", []),
    ],
)
def test_addresses_are_found_in_a_text(text: str, urls: list[str]) -> None:
    assert urls_in_text(text) == urls


def test_addresses_are_found_in_a_page() -> None:
    page = (
        '<a class="b" href="https://a.example/?x=1&amp;y=2">one</a> <img src="https://i.example/">'
        '<A HREF=\'https://b.example/it"s\'>two</A><a href="mailto:a@b.example">three</a>'
        '<a href="https://c.example/{customer}">four</a> https://d.example'
    )

    assert urls_in_html(page) == ["https://a.example/?x=1&y=2"]


@pytest.mark.django_db
def test_letter_gets_links_of_its_own() -> None:
    text = f"{{customer}}, look: {SHOP}, {SHOP} or https://b.example/."
    campaign = letters(text)

    written = Linker(campaign).text(text, 42)

    first, again, other = tokens_in(written)
    assert first == again == Token(campaign.pk, 42, 1)
    assert other == Token(campaign.pk, 42, 2)
    assert written.startswith("{customer}, look: http")
    assert written.endswith(".")
    assert "example" not in written


@pytest.mark.django_db
def test_page_gets_links_and_one_image() -> None:
    page = f'<body><p><a href="{SHOP.replace("&", "&amp;")}">Shop</a></p></body>'
    campaign = make_campaign(channel="email")
    register_links(campaign, texts=[], htmls=[page])

    written = Linker(campaign).html(page, 42)

    assert "shop.example" not in written
    assert written.count("<img ") == 1
    assert written.index("/o/") > written.index("/l/")
    assert written.endswith("</body>")


@pytest.mark.django_db
def test_words_stay_as_they_are_where_clicks_are_not_counted() -> None:
    campaign = letters(SHOP, track_clicks=False, track_opens=False)
    linker = Linker(campaign)

    assert linker.text(SHOP, 1) == SHOP
    assert linker.html(f'<a href="{SHOP}">x</a>', 1) == f'<a href="{SHOP}">x</a>'
    assert not TrackedLink.objects.exists()


@pytest.mark.django_db
def test_channel_with_one_text_for_many_has_no_links_of_its_own() -> None:
    campaign = make_campaign(channel="wecom")

    assert register_links(campaign, texts=[SHOP]) == []


@pytest.mark.django_db
def test_registering_twice_adds_only_what_is_new() -> None:
    campaign = letters(SHOP)

    register_links(campaign, texts=[f"https://b.example {SHOP}"])

    kept = TrackedLink.objects.filter(campaign=campaign).order_by("seq")
    assert list(kept.values_list("seq", "url")) == [(1, SHOP), (2, "https://b.example")]


@pytest.mark.django_db
def test_address_that_nobody_registered_is_left_alone() -> None:
    campaign = letters(SHOP)

    assert Linker(campaign).text("Dear http://spam.example", 1) == "Dear http://spam.example"
