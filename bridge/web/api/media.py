"""Which media types a request brings and accepts (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from aiohttp import web

from bridge.web.api.problem import Problem

_MAX_ACCEPT = 4096


def check_accept(request: web.Request, media_type: str = "application/json") -> None:
    """Raise Problem 406 when the client does not take this type."""
    header = ",".join(request.headers.getall("Accept", []))
    if header and not accepts(header, media_type):
        raise Problem(406, f"Het antwoord is er alleen als {media_type}; noem dat in de header Accept.")


def accepts(header: str, media_type: str) -> bool:
    """Whether the most specific range that fits has a quality above zero."""
    kind = media_type.partition("/")[0]
    best, quality = -1, 0.0
    for part in header[:_MAX_ACCEPT].split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        fits = {"*/*": 0, f"{kind}/*": 1, media_type: 2}.get(media, -1)
        if fits > best:
            best, quality = fits, _quality(parameters)
    return best >= 0 and quality > 0


def check_identity_encoding(request: web.Request) -> None:
    """Raise Problem 415 for a compressed body: its size could not be bounded."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise Problem(415, "Gecodeerde inhoud (Content-Encoding) wordt niet aangenomen.")


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
