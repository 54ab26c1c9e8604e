"""Every form that posts carries its token, also where a part is included with *only*."""

import re
from pathlib import Path

from django.conf import settings

TEMPLATES = Path(settings.BASE_DIR) / "templates"
ALONE = re.compile(r"{% include \"([^\"]+)\"([^%]*) only %}")


def includes_without_a_token() -> list[str]:
    return [
        f"{page.relative_to(TEMPLATES)}: {part}"
        for page in sorted(TEMPLATES.rglob("*.html"))
        for part, given in ALONE.findall(page.read_text())
        if posts(TEMPLATES / part) and "csrf_token=csrf_token" not in given
    ]


def posts(part: Path, within: tuple[Path, ...] = ()) -> bool:
    """Whether a part posts, or one in it; a part may lie within itself."""
    text = part.read_text()
    inner = re.findall(r"{% include \"([^\"]+)\"", text)
    return bool(re.search(r"csrf_token|<c-post-button", text)) or any(
        posts(TEMPLATES / name, (*within, part))
        for name in inner
        if TEMPLATES / name not in (*within, part)
    )


def test_parts_that_post_are_given_the_token():
    assert includes_without_a_token() == []
