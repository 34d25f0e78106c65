"""Every operation of the API, once: the routes and the OpenAPI document are both made from this table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aiohttp import web

from bridge.web.api import events, health, inzage, inzage_list, schemas, selftest, status

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

BASES: Final = ("/v1", "")
"""Everything is served with the major version in the path, and without as the hub's contract says (SOH-149)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path. The texts are for people who connect to the API, in Dutch."""

    id: str
    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    description: str
    parameters: tuple[Mapping[str, Any], ...] = ()
    body: Mapping[str, Any] | None = None
    good: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Answers below 400, by status."""
    problems: tuple[int, ...] = ()
    is_public: bool = False
    """Whether it is answered without a client certificate."""


_GUARDED: Final = (401, 403, 406, 429, 500, 503)
_LOOK_UP: Final = (400, 404, 410)


def _lookup(id: str, tail: str, handler: Handler, summary: str, description: str) -> Operation:
    return Operation(
        id=id,
        method="GET",
        path=f"/inzage/{{type}}/{{id}}{tail}",
        handler=handler,
        tag="Inzage",
        summary=summary,
        description=description,
        parameters=schemas.LOOKUP_PARAMETERS,
        good={
            "200": schemas.answer(
                "De gegevens zoals u ze mag zien.", "Weergave", headers={"ETag": schemas.ETAG_HEADER}
            ),
            "304": {"description": "U hebt deze weergave al.", "headers": {"ETag": schemas.ETAG_HEADER}},
        },
        problems=_LOOK_UP + _GUARDED,
    )


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        id="biedGebeurtenisAan",
        method="POST",
        path="/events",
        handler=events.post_event,
        tag="Gebeurtenissen",
        summary="Een gebeurtenis aanbieden",
        description=(
            "Biedt een CloudEvent aan, in structured of binary mode. De brug antwoordt pas als de gebeurtenis is "
            "opgeslagen. Wie dezelfde gebeurtenis nog eens aanbiedt krijgt hetzelfde antwoord."
        ),
        body=schemas.EVENT_BODY,
        good={
            "202": schemas.answer(
                "Aangenomen; de verwerking is te volgen.",
                "Interactie",
                headers={"Location": schemas.LOCATION_HEADER},
            )
        },
        problems=(400, 408, 409, 413, 415, *_GUARDED),
    ),
    Operation(
        id="vraagToestemmingVoorWebhook",
        method="OPTIONS",
        path="/events",
        handler=events.handshake,
        tag="Gebeurtenissen",
        summary="Toestemming vragen om gebeurtenissen te bezorgen",
        description=(
            "Handdruk van de CloudEvents-webhook. Toestemming blijkt alleen uit de headers WebHook-Allowed-Origin "
            "en WebHook-Allowed-Rate."
        ),
        parameters=schemas.WEBHOOK_PARAMETERS,
        good={"204": {"description": "Beantwoord.", "headers": schemas.WEBHOOK_HEADERS}},
        problems=(500,),
        is_public=True,
    ),
    Operation(
        id="haalStatusOp",
        method="GET",
        path="/status/{interactieId}",
        handler=status.get_status,
        tag="Gebeurtenissen",
        summary="De verwerking van een aangeboden gebeurtenis volgen",
        description="Alleen de organisatie die de gebeurtenis aanbood kan haar volgen.",
        parameters=(schemas.INTERACTION_PARAMETER,),
        good={"200": schemas.answer("De stand van de verwerking.", "Verwerkingsstatus")},
        problems=(400, 404, *_GUARDED),
    ),
    Operation(
        id="haalInzageLijstOp",
        method="GET",
        path="/inzage/{type}",
        handler=inzage_list.get_list,
        tag="Inzage",
        summary="Een lijst van gegevens die u mag inzien",
        description=(
            "Geeft per gegeven dat u mag kennen de weergave op niveau 0, de nieuwste eerst, met het adres van de "
            "volgende pagina. Over elk gegeven wordt beslist en elke beslissing wordt vastgelegd."
        ),
        parameters=schemas.LIST_PARAMETERS,
        good={
            "200": schemas.answer("Een pagina.", "Lijst", headers={"Link": schemas.LINK_HEADER}),
        },
        problems=(400, 404, *_GUARDED),
    ),
    _lookup(
        "haalInzageOp",
        "",
        inzage.get_richest,
        "Gegevens inzien",
        "Geeft de rijkste weergave die u mag zien; niveau in het antwoord zegt welke.",
    ),
    _lookup(
        "haalInzageNiveau0Op",
        "/niveau0",
        inzage.get_level0,
        "Gegevens inzien op niveau 0",
        "Alleen dat de gegevens er zijn.",
    ),
    _lookup(
        "haalInzageNiveau1Op",
        "/niveau1",
        inzage.get_level1,
        "Gegevens inzien op niveau 1",
        "Soort en stand van zaken, zonder personen en zonder inhoud.",
    ),
    _lookup("haalInzageNiveau2Op", "/niveau2", inzage.get_level2, "Gegevens inzien op niveau 2", "Alles."),
    Operation(
        id="haalBijlageOp",
        method="GET",
        path="/inzage/{type}/{id}/bijlagen/{reference}",
        handler=inzage.get_attachment,
        tag="Inzage",
        summary="Een bijlage ophalen",
        description=(
            "Geeft de inhoud van een bestand waarnaar de rijkste weergave die u mag zien verwijst, met de verwijzing "
            "die daar staat. Het is een inzage als elke andere. De verwijzing is de SHA-256 van de inhoud; controleer "
            "haar. Naam en soort van het bestand staan in de weergave."
        ),
        parameters=schemas.ATTACHMENT_PARAMETERS,
        good={
            "200": schemas.ATTACHMENT,
            "304": {"description": "U hebt deze inhoud al.", "headers": {"ETag": schemas.ETAG_HEADER}},
        },
        problems=_LOOK_UP + _GUARDED,
    ),
    Operation(
        id="toetsGebeurtenis",
        method="POST",
        path="/test/events",
        handler=selftest.post_test_event,
        tag="Zelf testen",
        summary="Een gebeurtenis laten toetsen",
        description=(
            "Toetst een CloudEvent zoals bij het aanbieden, met dezelfde regels. Het antwoord bevat het bericht dat de "
            "brug ervan zou maken, de uitslag van een inzage bij uw eigen bron als de gebeurtenis daarnaar verwijst, "
            "en een gebeurtenis terug die als testverkeer is gemerkt. Er wordt niets bewaard en niets doorgegeven."
        ),
        body=schemas.EVENT_BODY,
        good={"200": schemas.answer("Aan geen regel schort het.", "Toetsing")},
        problems=(400, 408, 413, 415, *_GUARDED),
    ),
    Operation(
        id="testVerbinding",
        method="GET",
        path="/test/connection",
        handler=selftest.get_connection,
        tag="Zelf testen",
        summary="De eigen verbinding testen",
        description="Zegt per stap of certificaat, token, scope, aanbieden en achterliggende diensten in orde zijn.",
        good={"200": schemas.answer("De stappen met hun uitslag.", "Verbindingstest")},
        problems=(406, 429, 500, 503),
        is_public=True,
    ),
    Operation(
        id="haalGezondheidOp",
        method="GET",
        path="/health",
        handler=health.get_health,
        tag="Beheer",
        summary="Hoe het met de brug gaat",
        description="Onderdelen met hun reden zijn er alleen voor wie zich met een certificaat meldt.",
        good={"200": schemas.answer("Gezond, of gezond met gebreken.", "Gezondheid")},
        problems=(406, 500, 503),
        is_public=True,
    ),
    Operation(
        id="haalLevendOp",
        method="GET",
        path="/health/live",
        handler=health.get_live,
        tag="Beheer",
        summary="Of het proces antwoordt",
        description="Voor de omgeving waarin de brug draait.",
        good={"200": schemas.answer("Het proces antwoordt.", "Gezondheid")},
        problems=(406, 500),
        is_public=True,
    ),
    Operation(
        id="haalGereedOp",
        method="GET",
        path="/health/ready",
        handler=health.get_ready,
        tag="Beheer",
        summary="Of de brug verzoeken aankan",
        description="Voor de omgeving waarin de brug draait.",
        good={"200": schemas.answer("De brug is gereed.", "Gezondheid")},
        problems=(406, 500, 503),
        is_public=True,
    ),
)
