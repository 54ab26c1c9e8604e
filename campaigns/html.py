"""The HTML of e-mails: what a mail needs and nothing that runs, loads or hides."""

from collections.abc import Mapping

import nh3

_ANYWHERE = {"style", "align", "valign", "width", "height", "bgcolor", "dir", "lang", "title"}
_ATTRIBUTES: Mapping[str, set[str]] = {
    "*": _ANYWHERE,
    "a": {"href"},
    "img": {"src", "alt"},
    "table": {"border", "cellpadding", "cellspacing"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
_STYLES = {
    "background-color", "border", "border-collapse", "border-radius", "color", "display",
    "font-family", "font-size", "font-style", "font-weight", "height", "letter-spacing",
    "line-height", "margin", "margin-bottom", "margin-left", "margin-right", "margin-top",
    "max-width", "padding", "padding-bottom", "padding-left", "padding-right", "padding-top",
    "text-align", "text-decoration", "vertical-align", "width",
}  # fmt: skip
_SCHEMES = {"http", "https", "mailto", "tel"}


def clean_html(html: str) -> str:
    """Return the HTML with only what is on the list; placeholders stay where they are."""
    if not html:
        return ""
    return nh3.clean(
        html,
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        filter_style_properties=_STYLES,
        url_schemes=_SCHEMES,
        link_rel=None,
    )
