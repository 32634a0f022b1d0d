"""The parts of a request of the ``http`` provider that hold placeholders, and how each encodes their values.

Each place has its own encoding, so that the receiver decodes exactly the value, and nothing else changes: URL and
headers as text, JSON and forms as structures, XML by escaping. No error message here quotes a value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from smsbridge.http import Headers

from ._http_template import Bare, Misfit, Template, Values

FORM = "application/x-www-form-urlencoded"
_URL = re.compile(r"(?i:https?)://[A-Za-z0-9._:\[\]-]+([/?][!-~]*)?")
_HALF_AN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PRINTABLE = re.compile(r"[ -~]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = frozenset({"content-type", "content-length", "transfer-encoding", "connection", "host"})
_CHARSET = re.compile(r'\s*charset\s*=\s*"?utf-8"?\s*', re.IGNORECASE)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# XML parsers change line ends and tabs, unless they are written like this.
_IN_XML = {'"': "&quot;", "'": "&apos;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


class Place(Protocol):
    """A part of a request (URL, headers or body) that may hold placeholders."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the placeholders in this part of the request."""
        ...


class Url:
    """The URL of a request. Placeholders may stand in the path and the query; their values are percent-encoded.

    Raises ValueError for a text that is not a valid URL, or has placeholders in another part.
    """

    def __init__(self, text: str) -> None:
        if not _URL.fullmatch(text) or "#" in text:
            raise ValueError(
                "write an http or https URL in ASCII, without spaces, credentials and fragment, "
                "and with placeholders only after the host"
            )
        self._template = Template.parse(text)
        if any(_HALF_AN_ESCAPE.search(literal) for literal, _ in self._template.parts):
            raise ValueError("write a % of the URL itself as %25")
        self.names = self._template.names

    def render(self, values: Values) -> str:
        """Return the URL with each placeholder replaced by its value.

        Raises Misfit if a part of the path would become ``.`` or ``..``, which would lead to another address.
        """
        url = self._template.render(values, lambda _name, value: quote(value, safe=""))
        # A server would take these for directories, however they are encoded.
        if {".", ".."} & set(urlsplit(url).path.split("/")):
            raise Misfit("a value that is '.' or '..' in the path of a URL")
        return url


class HeaderLines:
    """The headers of a request, whose values may hold placeholders.

    The values are printable ASCII without spaces at the ends, because HTTP may change anything else. Raises ValueError
    for a header that cannot be set.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        for name in headers:
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError("a header has a name that HTTP does not allow: write letters, digits and hyphens")
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"the header {name} cannot be set (for the content type, set content_type)")
        self._templates = {name: Template.parse(value) for name, value in headers.items()}
        self.names = _all(self._templates.values())

    def render(self, values: Values) -> Headers:
        """Return the headers with each placeholder replaced by its value.

        Raises Misfit for a value that no header can hold.
        """
        lines = {name: template.render(values, _in_header) for name, template in self._templates.items()}
        for name, line in lines.items():
            if line != line.strip() or not _PRINTABLE.fullmatch(line):
                raise Misfit(f"a value that is not printable ASCII, or has spaces at an end, in the header {name}")
        return Headers(lines)


def _in_header(name: str, value: str) -> str:
    if not _PRINTABLE.fullmatch(value):
        raise Misfit(f"a {name} that is not printable ASCII in a header")
    return value


class Body(Place, Protocol):
    """The body of a request, which may hold placeholders."""

    def render(self, values: Values) -> bytes:
        """Return the body as bytes, with each placeholder replaced by its value.

        Raises Misfit if a value cannot be written in this kind of body.
        """
        ...


class JsonBody:
    """A body of JSON, in which each string may hold placeholders.

    A value cannot leave its string, because the JSON is written after the placeholders are replaced. Raises ValueError
    for a text that is not JSON.
    """

    def __init__(self, given: Any) -> None:
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except (ValueError, RecursionError):
                raise ValueError("not JSON, as content_type says; write placeholders inside quotes") from None
        self._data = _compiled(given)
        self.names = _all(_templates(self._data))

    def render(self, values: Values) -> bytes:
        """Return the JSON in UTF-8 with each placeholder replaced by its value."""
        return json.dumps(_rendered(self._data, values), ensure_ascii=False, separators=(",", ":")).encode()


class FormBody:
    """A body that is a form, given as a table or as a query string. Each value may hold placeholders.

    Raises ValueError for any other text or table.
    """

    def __init__(self, given: Any) -> None:
        if isinstance(given, str):
            try:
                fields = parse_qsl(given, keep_blank_values=True, strict_parsing=True, errors="strict")
            except ValueError:
                raise ValueError("write a form such as to={to}&text={text}") from None
        elif isinstance(given, dict) and all(type(value) in (str, int) for value in given.values()):
            fields = [(key, str(value)) for key, value in given.items()]
        else:
            raise ValueError("a form must be a table of texts and whole numbers")
        self._fields = [(_key(key), Template.parse(value)) for key, value in fields]
        self.names = _all(template for _, template in self._fields)

    def render(self, values: Values) -> bytes:
        """Return the encoded form with each placeholder replaced by its value."""
        return urlencode([(key, template.render(values)) for key, template in self._fields]).encode()


class XmlBody:
    """A body of XML, with placeholders in texts and attributes only.

    Raises ValueError for a text that is not XML, or has placeholders in another part.
    """

    def __init__(self, given: Any) -> None:
        if not isinstance(given, str):
            raise ValueError("XML must be given as text")  # noqa: TRY004  # callers expect ValueError
        if "<!" in given:
            raise ValueError("XML must have no comments, CDATA or DOCTYPE: values cannot be escaped in them")
        self._template = Template.parse(given)
        self.names = self._template.names
        probes = {name: f" <{name}>&\"'\r\n\té " for name in self.names}
        try:
            root = ET.fromstring(self.render(probes))  # noqa: S314  # the user's own template
        except (ET.ParseError, LookupError, ValueError):
            raise ValueError("write XML in UTF-8, with placeholders only in texts and attributes") from None
        strings = "".join(
            f"{element.text or ''}{element.tail or ''}{''.join(element.attrib.values())}"
            for element in root.iter()
            if isinstance(element.tag, str)
        )
        for _, name in self._template.parts:
            if name is not None and probes[name] not in strings:
                raise ValueError(f"{{{name}}} must be in a text or in an attribute")
            strings = strings.replace(probes[name], "", 1) if name else strings

    def render(self, values: Values) -> bytes:
        """Return the XML in UTF-8 with each placeholder replaced by its escaped value.

        Raises Misfit for a value with control characters, which XML cannot hold.
        """
        return self._template.render(values, _in_xml).encode()


def _in_xml(name: str, value: str) -> str:
    if _NOT_XML.search(value):
        raise Misfit(f"a {name} with control characters in XML")
    return escape(value, _IN_XML)


class TextBody:
    """A body of plain text.

    It holds only the text of the message, because plain text cannot separate several fields reliably.
    """

    def __init__(self, given: Any) -> None:
        if given != "{text}":
            raise ValueError("a body of type text/plain must be exactly {text}")
        self.names = frozenset({"text"})

    def render(self, values: Values) -> bytes:
        """Return the text of the message in UTF-8."""
        return values["text"].encode()


_EXACT: dict[str, Callable[[Any], Body]] = {
    FORM: FormBody,
    "application/json": JsonBody,
    "application/xml": XmlBody,
    "text/xml": XmlBody,
    "text/plain": TextBody,
}
_ENDINGS: dict[str, Callable[[Any], Body]] = {"json": JsonBody, "xml": XmlBody}


def body_kind(content_type: str) -> Callable[[Any], Body]:
    """Return the class for request bodies of this content type, such as JsonBody.

    Raises ValueError for an unknown type.
    """
    name, semicolon, parameters = content_type.partition(";")
    name = name.strip().lower()
    kind = _EXACT.get(name) or _ENDINGS.get(name.rpartition("+")[2] if "+" in name else "")
    if kind is None or not re.fullmatch(r"[\w.+-]+/[\w.+-]+", name, re.ASCII):
        raise ValueError(f"must be {', '.join(_EXACT)}, or a type that ends in +json or +xml")
    if not _PRINTABLE.fullmatch(content_type) or (semicolon and not _CHARSET.fullmatch(parameters)):
        raise ValueError("the only parameter that a type can have is charset=utf-8")
    return kind


# --- inside -----------------------------------------------------------------------------------------------------------


def _all(templates: Any) -> frozenset[str]:
    return frozenset(name for template in templates for name in template.names)


def _key(text: str) -> str:
    template = Template.parse(text)
    if template.names:
        raise ValueError("a placeholder must be in a value, not in the name of a field")
    return template.render({})


def _compiled(data: Any) -> Any:
    """``data`` with a Template for each string."""
    if isinstance(data, str):
        return Template.parse(data)
    if isinstance(data, dict):
        return {_key(key): _compiled(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_compiled(value) for value in data]
    if data is None or isinstance(data, bool | int) or (isinstance(data, float) and math.isfinite(data)):
        return data
    raise ValueError("JSON cannot hold one of its values: write texts, numbers, true, false, tables and lists")


def _templates(data: Any) -> Iterator[Template]:
    if isinstance(data, Template):
        yield data
    elif isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _templates(value)


def _rendered(data: Any, values: Values) -> Any:
    if isinstance(data, Template):
        word = values[data.only] if data.only else None
        return json.loads(word) if isinstance(word, Bare) else data.render(values)
    if isinstance(data, dict):
        return {key: _rendered(value, values) for key, value in data.items()}
    return [_rendered(value, values) for value in data] if isinstance(data, list) else data
