"""The SOAPAction of an HTTP request (ebMS 2.0 appendix B.2, DK-110).

| SOAPAction | judgement |
| --- | --- |
| `"ebXML"`, or without the quotes | taken |
| missing, empty, a URI, anything else in quotes | a SOAP fault: the request is not for ebXML |
| a bare word | no URI, so it names an action, as some peers write it; see below |

A bare word that names an action of the agreement is a wrong SOAPAction like any other: a SOAP fault. One that
names no such action asks for what was never agreed. Where errors travel in the HTTP response, that is the error
ValueNotRecognized, which takes the place of the fault there and, unlike a fault, is not tried again. Elsewhere it
is the fault.
"""

from __future__ import annotations

import re

from bridge.errors import SoapFault

TAKEN = ('"ebXML"', "ebXML")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")


def named_action(value: str | None) -> str | None:
    """The action that a bare word names; None for a SOAPAction that is taken. Raises SoapFault for all others."""
    text = (value or "").strip()
    if text in TAKEN:
        return None
    if _WORD.fullmatch(text) and text.lower() != "ebxml":
        return text
    raise SoapFault('The SOAPAction header must be "ebXML".')
