"""`xpath:`: XPath 1.0 over the message, for reading only, and in bounded time.

XPath can be made to take for ever: predicates that go up or look everywhere multiply the nodes. So what stands in a
predicate may only look down, `//` is used twice at most, and no axis looks along the siblings; that leaves the square
of the number of elements at worst, and that number is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lxml import etree

from bridge.mapping.program import Getter, Scope

MAX_LENGTH = 1000
MAX_NESTED = 20
MAX_ELEMENTS = 10_000
"""In a larger message nothing is looked up by XPath."""

_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")
_SIDEWAYS = re.compile(r"\b(following|preceding)(-sibling)?\s*::")
_UP_OR_ANYWHERE = re.compile(
    r"//|\.\.|\b(parent|ancestor|descendant)(-or-self)?\s*::|(?:^|[\[(,=<>+*|-]|\bor|\band)\s*/"
)
_ANYWHERE = re.compile(r"//|\bdescendant(-or-self)?\s*::")


def compile_xpath(text: str, prefixes: Mapping[str, str]) -> tuple[Getter | None, str]:
    """A getter that gives the first node's text, a string, a number or a truth value; or what is wrong."""
    too_much = (
        _why_not(_LITERAL.sub("''", text)) if len(text) <= MAX_LENGTH else "it is longer than 1000 characters"
    )
    if too_much:
        return None, f"this XPath could take too long: {too_much}"
    try:
        found = etree.XPath(text, namespaces=dict(prefixes), regexp=False, smart_strings=False)
        found(etree.Element("x"))  # an unknown function or prefix shows only when it is used
    except etree.XPathError as error:
        return None, f"this is no XPath 1.0: {error}"

    def get(scope: Scope) -> object:
        element = scope.machine.source(("message",))
        if sum(1 for _ in zip(element.iter(), range(MAX_ELEMENTS + 1), strict=False)) > MAX_ELEMENTS:
            scope.machine.fault(
                "M911", f"the message has more than {MAX_ELEMENTS} elements, too many for an xpath"
            )
            return None
        try:
            return _value(found(element))
        except etree.XPathError:
            return None

    return get, ""


def _why_not(bare: str) -> str:
    """What could make it take too long; `bare` has no texts in it."""
    if _deepest(bare, "([", ")]") > MAX_NESTED:
        return f"brackets nest deeper than {MAX_NESTED}"
    if len(_ANYWHERE.findall(bare)) > 2:
        return "// may stand twice at most"
    if _SIDEWAYS.search(bare):
        return "the axes following and preceding are not used here"
    if any(_UP_OR_ANYWHERE.search(inside) for inside in _predicates(bare)):
        return "what stands in [ ] may only look down: no //, no .., no path from the root"
    return ""


def _deepest(bare: str, opening: str, closing: str) -> int:
    depth = deepest = 0
    for sign in bare:
        depth += (sign in opening) - (sign in closing)
        deepest = max(deepest, depth)
    return deepest


def _predicates(bare: str) -> list[str]:
    """The texts between the outermost square brackets."""
    found: list[str] = []
    depth, start = 0, 0
    for at, sign in enumerate(bare):
        if sign == "[":
            start = at if depth == 0 else start
            depth += 1
        elif sign == "]" and depth:
            depth -= 1
            if depth == 0:
                found.append(bare[start:at])
    return found


def _value(result: object) -> object:
    if isinstance(result, list):
        result = result[0] if result else None
    if isinstance(result, etree._Element):
        result = "".join(str(part) for part in result.itertext(with_tail=False))
    if isinstance(result, float):
        return int(result) if result.is_integer() else str(result)
    return None if result in ("", None) else result
