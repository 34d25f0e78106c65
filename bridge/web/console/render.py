"""Templates to pages: language, addresses of static files, and what every page has."""

import functools
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bridge.hub.bsn import mask_bsn_beside_ids
from bridge.told import without_told
from bridge.web.console.filters import may_be_bsn
from bridge.web.console.mend_words import in_words
from bridge.web.console.mistakes import mistake_of, rule_text
from bridge.web.console.offers import Offer, may_be_offered
from bridge.web.console.recorded import is_ours, meaning_of
from bridge.web.console.rights import Right
from bridge.web.console.settings import SETTINGS
from bridge.web.console.state import NOW
from bridge.web.console.text import Catalogue, Language, catalogue, choose_language
from bridge.web.console.views import AsItIs, Lens
from bridge.web.console.visitor import Visitor, visitor_of
from bridge.web.console.waiting import MOST, waiting_of

FOLDER = Path(__file__).parent
LANGUAGE_COOKIE = "language"
STATIC_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def _shown(value: object) -> object:
    """What a page puts down. A partner may name its messages after a person: no number of one stands on a page, and no
    words of a peer that were recorded in a reason before they were kept as content."""
    return mask_bsn_beside_ids(without_told(value)) if type(value) is str else value


_JOINT = re.compile(r"(?<=[-@./:_,])")


def _pieces(text: str) -> list[str]:
    """An id in the pieces between which it may go on at the next line, so that no number in it is broken."""
    return [AsItIs(piece) for piece in _JOINT.split(str(_shown(text))) if piece]


def _meaning(text: str, words: Catalogue) -> str:
    """What a reason means: one that was recorded, or why something cannot be done."""
    told = meaning_of(text, words)
    if told:
        return told
    said = in_words(text, words)
    return "" if said == text else said


def _offered(given: Iterable[str | Offer], visitor: Visitor) -> list[str | Offer]:
    """Of these actions the ones that the visitor is offered."""
    mends, tries = visitor.may(Right.MEND), visitor.may(Right.TRY)
    return [
        one
        for one in given
        if may_be_offered(one.name if isinstance(one, Offer) else one, mends=mends, tries=tries)
    ]


@functools.cache
def _templates() -> Environment:
    """The same for every console: compiling the templates takes longer than many pages."""
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    templates.filters["sentence"] = lambda text: text[:1].upper() + text[1:]
    templates.filters["pieces"] = _pieces
    templates.filters["offered"] = _offered
    # Of the settings, about people at work: a telephone number may look like a number of another kind.
    templates.filters["as_is"] = AsItIs
    templates.globals |= {
        "meaning_of": _meaning,
        "is_ours": is_ours,
        "mistake_of": mistake_of,
        "rule_text": rule_text,
    }
    return templates


class Renderer:
    """The templates and static files of the package, read once."""

    def __init__(self) -> None:
        self.static = {name: (FOLDER / "static" / name).read_bytes() for name in STATIC_TYPES}
        self._versions = {name: hashlib.sha256(body).hexdigest()[:12] for name, body in self.static.items()}

    def static_href(self, name: str) -> str:
        return f"/static/{name}?v={self._versions[name]}"

    def is_current(self, name: str, version: str | None) -> bool:
        return self._versions[name] == version

    def fragment(self, template: str, **values: Any) -> str:
        return _templates().get_template(template).render(**values)


RENDERER = web.AppKey("renderer", Renderer)


def language_of(request: web.Request) -> Language:
    return choose_language(
        asked=request.query.get("lang"),
        cookie=request.cookies.get(LANGUAGE_COOKIE),
        accept=request.headers.get("Accept-Language"),
        default=request.app[SETTINGS].language,
    )


def words_of(request: web.Request) -> Catalogue:
    return catalogue(language_of(request))


def lens_of(request: web.Request) -> Lens:
    settings = request.app[SETTINGS]
    return Lens(
        words=words_of(request),
        zone=settings.timezone,
        now=request.app[NOW](),
        names=settings.party_names,
        contacts=settings.contacts,
    )


def page(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    page: str = "",
    json_href: str = "",
    **values: Any,
) -> web.Response:
    """A whole page in the language of the viewer; a language that was asked for is remembered."""
    words = words_of(request)
    renderer = request.app[RENDERER]
    text = renderer.fragment(
        template,
        t=words,
        visitor=visitor_of(request),
        needs_person=waiting_of(request),
        most_counted=MOST,
        with_login=request.app[SETTINGS].login,
        status=status,
        page=page,
        json_href=json_href,
        static=renderer.static_href,
        languages=[(language, _in_language(request, language)) for language in Language],
        zone_name=request.app[SETTINGS].timezone.key,
        zone_offset=_offset(request),
        **values,
    )
    response = html(text, words.language, status=status)
    if request.query.get("lang") == words.language:
        response.set_cookie(
            LANGUAGE_COOKIE, words.language, max_age=31_536_000, httponly=True, samesite="Strict", path="/"
        )
    return response


def _offset(request: web.Request) -> str:
    """How far the zone of the page is from UTC now, such as `UTC+1`: so that a time can be told to somebody else."""
    offset = request.app[NOW]().astimezone(request.app[SETTINGS].timezone).utcoffset()
    hours, minutes = divmod(int(offset.total_seconds()) // 60 if offset else 0, 60)
    return f"UTC{hours:+d}" + (f":{minutes:02d}" if minutes else "") if hours or minutes else "UTC"


def html(text: str, language: Language, *, status: int = 200) -> web.Response:
    headers = {"Content-Language": language.value, "Vary": "Accept-Language, Cookie"}
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=headers)


def _in_language(request: web.Request, language: Language) -> str:
    """This page in another language; what does not belong in an address is not put in one again."""
    if request.path.startswith("/login/"):
        return f"/login?lang={language}"
    if request.match_info.http_exception is not None or any(map(may_be_bsn, request.query.values())):
        return f"/?lang={language}"
    if request.method == "POST" and not _has_page(request.app, request.path):
        return f"{_page_above(request)}?lang={language}"
    return str(request.rel_url.update_query(lang=language.value))


def _page_above(request: web.Request) -> str:
    """A form was answered with a page that nobody can ask for; the nearest one that they can."""
    path = request.path
    while path and not _has_page(request.app, path):
        path = path.rpartition("/")[0]
    return path or "/"


def _has_page(app: web.Application, path: str) -> bool:
    for resource in app.router.resources():
        info = resource.get_info()
        pattern = info.get("pattern")
        fits = info.get("path") == path or (pattern is not None and pattern.fullmatch(path))
        if fits and any(route.method == "GET" for route in resource):
            return True
    return False
