"""Messages made by walking a real XSD: what the schema allows, whatever a structure description says of it.

It knows the parts of XSD that message standards use. What it makes is checked with libxml2 all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from lxml import etree

XS = "{http://www.w3.org/2001/XMLSchema}"
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
STUF = "http://www.egem.nl/StUF/StUF0301"
NAMESPACES = (
    "http://www.stufstandaarden.nl/koppelvlak/jz0100",
    STUF,
    "http://www.egem.nl/StUF/sector/zkn/0310",
    "http://www.egem.nl/StUF/sector/bg/0310",
    "http://www.w3.org/2001/XMLSchema-instance",
    "http://www.w3.org/2005/05/xmlmime",
)
WORDS = (
    *("x", "Ja", "Café 't Hoekje & <zn>", "Zorgen over thuis.\nTweede regel\tmet tab", "  ruimte  ", "éü€ß"),
    *("12345", "00000001999990019000", "a/b c", "20260102", "&#;", "]]>"),
)
SAMPLES = {
    "[1-9][0-9]{3}[A-Z]{0,2}": ("1234AB", "1234"),
    "[0-9]{1,4}": ("6030", "1"),
    "[0-9]{10}": ("0123456789",),
    "[0-9]{9}": ("999990019", "999990020", "012345672", "999990123"),
    "[0-9]{17}": ("12345678901234567",),
    "[0-9]{20}": ("00000001999990019000",),
    "[0-9]{8,17}": ("20260102", "20260102030405", "20260102030405678", "202601020304"),
}
BUILT_IN = {
    "base64Binary": ("aGFsbG8=", " aGFs\n bG8= "),
    "boolean": ("true", "false", "1", "0"),
    "date": ("2026-01-02",),
    "dateTime": ("2026-01-02T03:04:05",),
    "anyURI": ("https://voorbeeld.example/zaak/1",),
    "positiveInteger": ("1", "7"),
    "nonNegativeInteger": ("0", "7"),
    "integer": ("7",),
    "int": ("7",),
}
FACETS = (
    "pattern",
    "length",
    "minLength",
    "maxLength",
    "totalDigits",
    "fractionDigits",
    "maxInclusive",
    "minInclusive",
)


class Schemas:
    """The declarations of a schema and all that it includes and imports."""

    def __init__(self, root: Path) -> None:
        self.known: dict[tuple[str, str], etree._Element] = {}
        self.seen: set[Path] = set()
        self.load(root.resolve())

    def load(self, path: Path) -> None:
        if path in self.seen:
            return
        self.seen.add(path)
        top = etree.parse(str(path)).getroot()
        namespace = top.get("targetNamespace", "")
        for node in top:
            if not isinstance(node.tag, str):
                continue
            kind = node.tag.removeprefix(XS)
            if kind in ("include", "import") and node.get("schemaLocation"):
                self.load((path.parent / str(node.get("schemaLocation"))).resolve())
            elif node.get("name"):
                self.known.setdefault((kind, f"{{{namespace}}}{node.get('name')}"), node)

    def find(self, kind: str, name: str) -> etree._Element | None:
        return self.known.get((kind, name))

    def type(self, name: str) -> etree._Element | None:
        found = self.find("complexType", name)
        return self.find("simpleType", name) if found is None else found


def name_of(node: etree._Element, text: str) -> str:
    prefix, colon, local = text.rpartition(":")
    return f"{{{node.nsmap.get(prefix if colon else None) or ''}}}{local}"


def own(node: etree._Element) -> list[etree._Element]:
    return [child for child in node if isinstance(child.tag, str) and child.tag != f"{XS}annotation"]


def target_of(node: etree._Element) -> str:
    return str(node.getroottree().getroot().get("targetNamespace") or "")


class Content:
    """What a type holds: particles, attributes by name, and the chain of restrictions of its text."""

    def __init__(self) -> None:
        self.particles: list[etree._Element] = []
        self.attributes: dict[str, etree._Element] = {}
        self.texts: list[etree._Element | str] = []


class XsdMaker:
    """Draws messages from one number; `nil` is how often what may be nil is nil, `fill` how full it gets."""

    def __init__(self, schemas: Schemas, seed: int, *, nil: float = 0.15, fill: float = 0.5) -> None:
        self.schemas = schemas
        self.random = Random(seed)
        self.nil = nil
        self.fill = fill
        names = self.random.choice(
            (("p", "q", "r", "s"), ("JZ", "StUF", "ZKN", "BG"), ("bg", "zkn", "jz", "stuf"))
        )
        self.prefixes = dict(zip((*names, "xsi", "m"), NAMESPACES, strict=True))

    def message(self, root: str) -> etree._Element:
        declared = self.schemas.find("element", root)
        assert declared is not None, root
        return self.element(declared)

    # -- elements

    def element(self, declared: etree._Element) -> etree._Element:
        node = declared
        if node.get("ref"):
            found = self.schemas.find("element", name_of(node, str(node.get("ref"))))
            assert found is not None, node.get("ref")
            node = found
        top = node.getroottree().getroot()
        qualified = node.getparent() is top or top.get("elementFormDefault") == "qualified"
        name = str(node.get("name"))
        made = etree.Element(f"{{{target_of(node)}}}{name}" if qualified else name, nsmap=self.prefixes)
        content = self.content_of(node)
        self.attributes(made, content)
        if node.get("nillable") in ("true", "1") and self.random.random() < self.nil:
            made.set(XSI_NIL, self.random.choice(("true", "1")))
            self.reason(made, content)
            return made
        if content.texts:
            made.text = str(node.get("fixed") or self.text(content.texts))
            if f"{{{STUF}}}indOnvolledigeDatum" in content.attributes:
                self.partial(made)
        for particle in content.particles:
            made.extend(self.particle(particle))
        if len(made) or (made.text or "").strip():
            for name in ("noValue", f"{{{STUF}}}noValue"):
                made.attrib.pop(name, None)
        return made

    def partial(self, made: etree._Element) -> None:
        """What is not known of a date, when its zeros say so; now and then also when all is known."""
        digits = (made.text or "").strip()
        known = "M" if digits.endswith("0000") else "D" if digits.endswith("00") else "V"
        if known != "V" or self.random.random() < self.fill / 2:
            made.set(f"{{{STUF}}}indOnvolledigeDatum", known)

    def reason(self, made: etree._Element, content: Content) -> None:
        for name in ("noValue", f"{{{STUF}}}noValue"):
            if name in content.attributes and self.random.random() < 0.8:
                made.set(
                    name,
                    self.random.choice(
                        (
                            "nietOndersteund",
                            "nietGeautoriseerd",
                            "geenWaarde",
                            "waardeOnbekend",
                            "vastgesteldOnbekend",
                        )
                    ),
                )

    def attributes(self, made: etree._Element, content: Content) -> None:
        for name, node in content.attributes.items():
            if name.endswith("}indOnvolledigeDatum"):
                continue  # it goes with what the date says
            required = node.get("use") == "required"
            wanted = required or name.endswith("}entiteittype")
            if not wanted and not (name.endswith(("bestandsnaam", "contentType")) or name == "naam"):
                continue
            if not required and self.random.random() > self.fill:
                continue
            made.set(name, str(node.get("fixed") or self.attribute_text(node)))

    def attribute_text(self, node: etree._Element) -> str:
        if node.get("type"):
            return self.text(self.texts_of(name_of(node, str(node.get("type")))))
        for child in own(node):
            return self.text(self.texts_of_node(child))
        return "bijlage 1 – ouder(s).pdf"

    # -- types

    def content_of(self, node: etree._Element) -> Content:
        content = Content()
        inner = next(
            (child for child in own(node) if child.tag in (f"{XS}complexType", f"{XS}simpleType")), None
        )
        if inner is not None:
            self.collect(inner, content)
        elif node.get("type"):
            self.collect_named(name_of(node, str(node.get("type"))), content)
        return content

    def collect_named(self, name: str, content: Content) -> None:
        node = self.schemas.type(name)
        if node is None:
            content.texts.append(name)
        else:
            self.collect(node, content)

    def collect(self, node: etree._Element, content: Content) -> None:
        if node.tag == f"{XS}simpleType":
            content.texts += self.texts_of_node(node)
            return
        for child in own(node):
            kind = child.tag.removeprefix(XS)
            if kind in ("complexContent", "simpleContent"):
                self.derived(own(child)[0], content, simple=kind == "simpleContent")
            else:
                self.take(child, content)

    def derived(self, node: etree._Element, content: Content, *, simple: bool) -> None:
        base = name_of(node, str(node.get("base")))
        if not base.startswith(XS):
            self.collect_named(base, content)
        elif simple:
            content.texts.append(base)
        if node.tag == f"{XS}restriction":
            if not simple:
                content.particles = []
            elif any(child.tag.removeprefix(XS) in (*FACETS, "enumeration") for child in own(node)):
                content.texts.insert(0, node)
        for child in own(node):
            if child.tag.removeprefix(XS) not in (*FACETS, "enumeration"):
                self.take(child, content)

    def take(self, node: etree._Element, content: Content) -> None:
        kind = node.tag.removeprefix(XS)
        if kind in ("sequence", "choice", "group", "all"):
            content.particles.append(node)
        elif kind == "attribute":
            self.take_attribute(node, content)
        elif kind == "attributeGroup":
            group = self.schemas.find("attributeGroup", name_of(node, str(node.get("ref"))))
            for child in own(group) if group is not None else ():
                self.take(child, content)
        elif kind == "simpleType":
            content.texts[:0] = self.texts_of_node(node)

    def take_attribute(self, node: etree._Element, content: Content) -> None:
        if node.get("ref"):
            name = name_of(node, str(node.get("ref")))
            found = self.schemas.find("attribute", name)
            merged = etree.Element(node.tag, nsmap=(found if found is not None else node).nsmap)
            for source in (found, node):
                for key, value in source.attrib.items() if source is not None else ():
                    merged.set(key, value)
            if found is not None:
                merged.extend(etree.fromstring(etree.tostring(child)) for child in own(found))
        else:
            top = node.getroottree().getroot()
            form = node.get("form") or top.get("attributeFormDefault", "unqualified")
            name = (
                f"{{{target_of(node)}}}{node.get('name')}" if form == "qualified" else str(node.get("name"))
            )
            merged = node
        if node.get("use") == "prohibited":
            content.attributes.pop(name, None)
        else:
            content.attributes[name] = merged

    # -- particles

    def particle(self, node: etree._Element) -> Iterator[etree._Element]:
        low, high = int(node.get("minOccurs", "1")), node.get("maxOccurs", "1")
        most = low + 2 if high == "unbounded" else int(high)
        count = low
        while count < most and self.random.random() < self.fill:
            count += 1
        for _ in range(count):
            yield from self.once(node)

    def once(self, node: etree._Element) -> Iterator[etree._Element]:
        match node.tag.removeprefix(XS):
            case "element":
                yield self.element(node)
            case "sequence" | "all":
                for child in own(node):
                    yield from self.particle(child)
            case "choice":
                yield from self.particle(self.random.choice(own(node)))
            case "group":
                found = self.schemas.find("group", name_of(node, str(node.get("ref"))))
                for child in own(found) if found is not None else ():
                    yield from self.particle(child)

    # -- texts

    def texts_of(self, name: str) -> list[etree._Element | str]:
        node = self.schemas.find("simpleType", name)
        return [name] if node is None else self.texts_of_node(node)

    def texts_of_node(self, node: etree._Element) -> list[etree._Element | str]:
        for child in own(node):
            if child.tag == f"{XS}union":
                members = str(child.get("memberTypes") or "").split()
                if members:
                    return self.texts_of(name_of(child, members[0]))
                return self.texts_of_node(own(child)[0])
            if child.tag == f"{XS}restriction":
                base = child.get("base")
                above = self.texts_of(name_of(child, str(base))) if base else []
                return [child, *above]
        return []

    def text(self, texts: list[etree._Element | str]) -> str:
        """A text that all restrictions of the chain allow."""
        facets: dict[str, str] = {}
        built_in = ""
        for one in texts:
            if isinstance(one, str):
                built_in = one.removeprefix(XS)
                continue
            values = [str(child.get("value")) for child in own(one) if child.tag == f"{XS}enumeration"]
            if values:
                return self.random.choice(values)
            for child in reversed(own(one)):
                facets.setdefault(child.tag.removeprefix(XS), str(child.get("value")))
        if "pattern" in facets:
            return self.random.choice(SAMPLES.get(facets["pattern"], ("a",)))
        if built_in == "decimal" or "totalDigits" in facets:
            return self.number(facets)
        if built_in in BUILT_IN:
            return self.random.choice(BUILT_IN[built_in])
        return self.words(facets)

    def number(self, facets: dict[str, str]) -> str:
        digits = int(facets.get("totalDigits", "3"))
        if digits == 8 or facets.get("length") == "8":
            return self.random.choice(("20260102", "20150704", " 20260102 ", "20260000", "20260300"))
        if digits == 9:
            return self.random.choice(("999990019", "999990020", "012345672", "999990033"))
        return str(self.random.randint(1, 10 ** min(digits, 5) - 1))

    def words(self, facets: dict[str, str]) -> str:
        low = int(facets.get("length") or facets.get("minLength") or "0")
        high = int(facets.get("length") or facets.get("maxLength") or "4000")
        if low >= 8 and high == 17:
            return self.random.choice(("20260102", "20260102030405", "20260102030405678", "202601020304"))
        made = self.random.choice(WORDS)
        while len(made) < low:
            made += "x"
        return re.sub(r"^\s+$", "x", made[:high])
