"""The one hardened XML parser of the bridge, the namespaces of ebMS, and the text and time of an element.

Whatever is parsed here came from someone else. No DOCTYPE is allowed at all, so there are no entities, no
external subset and nothing to fetch. Comments, processing instructions, CDATA and white space stay as they
came, because a signature covers the tree as it was sent (ebMS 2.0 section 4.1.3).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from lxml import etree

from bridge.errors import PeerError

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
EB = "http://www.oasis-open.org/committees/ebxml-msg/schema/msg-header-2_0.xsd"
XLINK = "http://www.w3.org/1999/xlink"
XML = "http://www.w3.org/XML/1998/namespace"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
DS = "http://www.w3.org/2000/09/xmldsig#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
CPA = "http://www.oasis-open.org/committees/ebxml-cppa/schema/cpp-cpa-2_0.xsd"

XPATH_TRANSFORM = "http://www.w3.org/TR/1999/REC-xpath-19991116"

WHITE_SPACE = " \t\r\n"
"""White space as XML defines it; `str.strip()` alone takes more."""

_LIBXML_TEXT_LIMIT = 10_000_000
_DEFAULT_ENCODING = "utf-8"
_ENCODINGS = frozenset(
    {"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16", "utf-16-le", "utf-16-be"}
)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECLARATION = re.compile(
    rb"<\?xml[ \t\r\n][^>]{0,200}?\bencoding[ \t\r\n]*=[ \t\r\n]*[\"']([^\"'>]{1,40})[\"']"
)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,20}))?(?:(Z)|([+-])(\d\d):(\d\d))?", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlLimits:
    """What one document may cost. `max_markup` counts `<`, which is about two per element."""

    max_octets: int = 8 * 1024 * 1024
    max_depth: int = 200
    max_markup: int = 400_000
    max_attributes: int = 200


DEFAULT_LIMITS = XmlLimits()

MAX_PAYLOAD_OCTETS = 64 * 1024 * 1024
PAYLOAD_LIMITS = XmlLimits(max_octets=MAX_PAYLOAD_OCTETS)
"""Of a business payload: files stand in it as base64, about 35 MB of XML in practice."""


class XmlProblem(PeerError):
    """The octets are no XML that the bridge reads. The text names rule and place, never content."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def parse_xml(
    octets: bytes, *, limits: XmlLimits = DEFAULT_LIMITS, charset: str | None = None
) -> etree._Element:
    """The root of the document, raising XmlProblem.

    `charset` is the parameter of the Content-Type when it had one: it wins over the XML declaration
    (RFC 2376). Without it the byte order mark or the declaration counts, else UTF-8.
    """
    if len(octets) > limits.max_octets:
        raise XmlProblem(f"the XML is larger than {limits.max_octets} octets")
    utf8 = _to_utf8(octets, charset)
    if utf8.count(b"<") > limits.max_markup:
        raise XmlProblem(f"the XML holds more than {limits.max_markup} pieces of markup")
    _refuse_doctype(utf8)
    root = _parse(utf8)
    _check_shape(root, limits)
    return root


def text_of(element: etree._Element) -> str:
    """The character data of the element, trimmed; comments inside are skipped, the text after them is not."""
    return raw_text_of(element).strip(WHITE_SPACE)


def raw_text_of(element: etree._Element) -> str:
    """As `text_of`, untrimmed."""
    pieces = [element.text or ""]
    pieces.extend(child.tail or "" for child in element)
    return "".join(pieces)


def is_element(node: etree._Element) -> bool:
    """False for comments and processing instructions."""
    return isinstance(node.tag, str)


def local_name(element: etree._Element) -> str:
    """Name without namespace, cut to a length that fits a log line."""
    return etree.QName(element).localname[:80]


def namespace_of(element: etree._Element) -> str:
    return etree.QName(element).namespace or ""


def parse_time(text: str) -> datetime:
    """An xs:dateTime as aware UTC; without zone it is UTC. Fractions beyond microseconds are cut off.

    Raises ValueError.
    """
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError("not an xs:dateTime")
    year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
    end_of_day = hour == 24
    if end_of_day and (minute or second or int(found[7] or 0)):
        raise ValueError("hour 24 with minutes")
    microsecond = int((found[7] or "0")[:6].ljust(6, "0"))
    zone = _zone(found[9], found[10], found[11])
    try:
        moment = datetime(year, month, day, 0 if end_of_day else hour, minute, second, microsecond, zone)
        return (moment + timedelta(days=int(end_of_day))).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the calendar") from error


def has_zone(text: str) -> bool:
    """Whether an xs:dateTime names its zone."""
    found = _TIME.fullmatch(text)
    return bool(found and (found[8] or found[9]))


def format_time(moment: datetime) -> str:
    """UTC with `Z` and milliseconds, as the bridge writes every time. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a time without zone is never written")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _zone(sign: str | None, hours: str | None, minutes: str | None) -> timezone:
    if sign is None:
        return UTC
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset > timedelta(hours=14) or int(minutes or 0) > 59:
        raise ValueError("zone outside 14 hours")
    return timezone(-offset if sign == "-" else offset)


def _to_utf8(octets: bytes, charset: str | None) -> bytes:
    """Transcode what is not UTF-8, so that every later check and libxml2 see one encoding."""
    bom = next((name for mark, name in _BOMS if octets.startswith(mark)), None)
    encoding = _known_encoding(charset) if charset else bom or _declared(octets)
    if encoding == "utf-16" and bom != "utf-16":
        raise XmlProblem("UTF-16 without byte order mark")
    if encoding == "utf-8":
        return octets.removeprefix(codecs.BOM_UTF8)
    try:
        return octets.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except UnicodeError as error:
        raise XmlProblem(
            f"the octets are not {encoding}, which the charset or the declaration says"
        ) from error


def _declared(octets: bytes) -> str:
    found = _DECLARATION.match(octets)
    if not found:
        return _DEFAULT_ENCODING
    return _known_encoding(found[1].decode("latin-1"))


def _known_encoding(charset: str) -> str:
    try:
        name = codecs.lookup(charset.strip()).name
    except (LookupError, ValueError):
        name = ""
    if name not in _ENCODINGS:
        raise XmlProblem("the charset is not one that the bridge reads; use UTF-8")
    return name


def _refuse_doctype(utf8: bytes) -> None:
    """A DOCTYPE can only stand before the root: skip white space, comments and PIs, and look what comes."""
    at = 0
    while True:
        at = _skip_white_space(utf8, at)
        if utf8.startswith(b"<!--", at):
            end, width = utf8.find(b"-->", at + 4), 3
        elif utf8.startswith(b"<?", at):
            end, width = utf8.find(b"?>", at + 2), 2
        elif utf8.startswith(b"<!", at):
            raise XmlProblem("a DOCTYPE is not allowed")
        else:
            return
        if end < 0:
            raise XmlProblem("the XML is not well-formed: it ends before the root element")
        at = end + width


def _skip_white_space(octets: bytes, at: int) -> int:
    while at < len(octets) and octets[at] in b" \t\r\n":
        at += 1
    return at


def _parse(utf8: bytes) -> etree._Element:
    parser = etree.XMLParser(
        encoding="utf-8",
        attribute_defaults=False,
        dtd_validation=False,
        load_dtd=False,
        no_network=True,
        resolve_entities=False,
        recover=False,
        collect_ids=False,
        strip_cdata=False,
        remove_comments=False,
        remove_pis=False,
        huge_tree=len(utf8) > _LIBXML_TEXT_LIMIT,
    )
    try:
        return etree.fromstring(utf8, parser)
    except etree.XMLSyntaxError as error:
        raise XmlProblem(f"the XML is not well-formed: {_reason(parser, error)}") from None
    except ValueError as error:
        raise XmlProblem("the XML is not well-formed") from error


def _reason(parser: etree.XMLParser, error: etree.XMLSyntaxError) -> str:
    """Rule and place only: the parser's own sentence may quote the document."""
    log = parser.error_log
    rule = log[-1].type_name if len(log) else "syntax"
    line, column = error.position
    return f"{rule} at line {line}, column {column}"


def _check_shape(root: etree._Element, limits: XmlLimits) -> None:
    depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth += 1
        if depth > limits.max_depth:
            raise XmlProblem(f"the XML is nested deeper than {limits.max_depth}")
        if len(element.attrib) > limits.max_attributes:
            raise XmlProblem(f"an element has more than {limits.max_attributes} attributes")
