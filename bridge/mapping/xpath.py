"""`xpath:`: any XPath 1.0 over the message, for reading only."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from bridge.mapping.program import Getter, Scope


def compile_xpath(text: str, prefixes: Mapping[str, str]) -> tuple[Getter | None, str]:
    """A getter that gives the first node's text, a string, a number or a truth value; or what is wrong."""
    try:
        found = etree.XPath(text, namespaces=dict(prefixes), regexp=False, smart_strings=False)
    except etree.XPathError as error:
        return None, f"this is no XPath 1.0: {error}"

    def get(scope: Scope) -> object:
        element = scope.machine.source(("message",))
        try:
            return _value(found(element))
        except etree.XPathError:
            return None

    return get, ""


def _value(result: object) -> object:
    if isinstance(result, list):
        result = result[0] if result else None
    if isinstance(result, etree._Element):
        result = "".join(str(part) for part in result.itertext(with_tail=False))
    if isinstance(result, float):
        return int(result) if result.is_integer() else str(result)
    return None if result in ("", None) else result
