"""Read the flat XML of WeCom's callbacks, and nothing that XML can do beyond it."""

from xml.parsers import expat

MAX_DEPTH = 8
MAX_ELEMENTS = 5000


class BadXml(Exception):
    """Not the XML of a callback: malformed, too deep, or with a document type or entities."""


def read_fields(text: bytes | str) -> dict[str, str]:
    """Return the text of every element directly under the root.

    Lists (``<MemChangeList><Item>…``) and repeated elements come joined with commas, as WeCom
    itself writes its other lists. Raises ``BadXml``; a document type, and with it every entity,
    is refused before it has any effect.
    """
    reader = _Reader()
    parser = expat.ParserCreate(encoding="utf-8")
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.ExternalEntityRefHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(text, True)  # noqa: FBT003 -- the parser takes no keyword
    except (expat.ExpatError, UnicodeEncodeError) as error:
        raise BadXml("malformed") from error
    return {name: ",".join(values) for name, values in reader.fields.items()}


class _Reader:
    def __init__(self) -> None:
        self.fields: dict[str, list[str]] = {}
        self._path: list[str] = []
        self._texts: list[str] = []
        self._is_leaf = False
        self._elements = 0

    def refuse(self, *_: object) -> int:
        raise BadXml("a document type or an entity")

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._texts = []
        self._is_leaf = True
        self._elements += 1
        if len(self._path) > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise BadXml("too deep or too long")

    def end(self, _name: str) -> None:
        if self._is_leaf and len(self._path) > 1:
            self.fields.setdefault(self._path[1], []).append("".join(self._texts).strip())
        self._is_leaf = False
        self._path.pop()

    def text(self, piece: str) -> None:
        self._texts.append(piece)
