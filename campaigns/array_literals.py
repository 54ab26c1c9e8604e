"""Long arrays as parameters: the driver would look at each member of a list for itself."""

from collections.abc import Iterable, Sequence

_ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\"}


def numbers_literal(numbers: Iterable[int]) -> str:
    """Return PostgreSQL's literal of an array of numbers; cast it in the statement."""
    return "{" + ",".join(map(str, numbers)) + "}"


def texts_literal(texts: Sequence[str]) -> str:
    """Return PostgreSQL's literal of an array of texts, at least one; cast it in the statement."""
    together = "".join(texts)
    if '"' in together or "\\" in together:
        texts = [text.translate(_ESCAPES) for text in texts]
    return '{"' + '","'.join(texts) + '"}'
