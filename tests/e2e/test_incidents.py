"""With the console alone an operator can tell of each of the ten incidents: what, where, whose turn, what to do."""

from __future__ import annotations

import asyncio
import html
import re
from pathlib import Path

import aiohttp
import pytest

from bridge.demo import POLICE
from bridge.incidents import ENDING, OPERATOR, PAUSED, SILENT, Incident, incidents


async def _look(folder: Path) -> tuple[dict[str, Incident], dict[str, str]]:
    """The incidents by name, and the text of each of their pages, read as the operator that the link logs in."""
    pages: dict[str, str] = {}
    jar = aiohttp.CookieJar(unsafe=True)
    async with incidents(folder) as (found, link), aiohttp.ClientSession(cookie_jar=jar) as session:
        async with session.get(link) as answer:
            assert answer.status == 200
        base = link.partition("/login/")[0]
        for path in {"/", "/attention", *(one.page for one in found)}:
            async with session.get(f"{base}{path}", headers={"Accept-Language": "nl"}) as answer:
                assert answer.status == 200, path
                pages[path] = _text(await answer.text())
    return {one.name: one for one in found}, pages


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.replace("<wbr>", ""))).split())


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Incident], dict[str, str]]:
    return asyncio.run(_look(tmp_path_factory.mktemp("incidents")))


EXPLAINED = {
    "unknown-code": (
        "een waarde of code die de koppeling niet kent",
        "jz:object/jz:indicatieSASHIngevuld",
        "De integrator",
        "vult die de lijst aan en kan het bericht worden herspeeld",
    ),
    "nobody": (
        "De melding noemt niemand met een BSN",
        POLICE.name,
        "De partner",
        "Bel de partner: de melding moet opnieuw",
    ),
    "agreement": (
        "stuurt onder een overeenkomst die wij niet hebben",
        "melding_politie_oud_7",
        "Aan zet: de operator, samen met de partner",
        "bel de partner: die gebruikt een oud of verkeerd nummer",
    ),
    "signature": (
        "De handtekening of het certificaat klopt niet",
        POLICE.name,
        "De partner",
        "De partner moet opnieuw sturen",
    ),
    "rejected": (
        "De hub verwerkte het event niet",
        "FUNCTIONEEL: Onbekende ontvanger",
        "De operator",
        "Bel de hub met het id van het event",
    ),
    "silent": (
        "De partner bevestigde het bericht niet, en de tijd daarvoor is voorbij",
        SILENT.name,
        "De operator",
        "Zo nee, stuur het als nieuw bericht",
    ),
    "paused": (
        f"{PAUSED.name} is gepauzeerd door gebruiker {OPERATOR}",
        "Onderhoud bij de partner tot 06:00",
        "De operator",
        "kies Hervatten bij Partners",
    ),
    "mapping": (
        "Een gewijzigde koppeling is niet overgenomen",
        "vt-melding.map.yaml",
        "Aan zet: de integrator",
        "Geef de regels aan de integrator",
    ),
    "certificate": (
        f"Een certificaat van {ENDING.name} verloopt over 11 dagen",
        "melding_ending_veiligthuis_1",
        "Aan zet: de eigenaar van het certificaat",
        "Bel de eigenaar: vraag om het nieuwe certificaat",
    ),
    "hub": (
        "Sturen naar de hub lukt niet",
        "pogingen op rij zijn mislukt",
        "De hub",
        "Er hoeft niets opnieuw te worden gestuurd",
    ),
}


def test_there_are_ten(seen: tuple[dict[str, Incident], dict[str, str]]) -> None:
    assert set(seen[0]) == set(EXPLAINED)
    assert len(EXPLAINED) == 10


@pytest.mark.parametrize("name", EXPLAINED)
def test_its_page_tells_what_happened_where_whose_turn_it_is_and_what_to_do(
    seen: tuple[dict[str, Incident], dict[str, str]], name: str
) -> None:
    found, pages = seen
    page = pages[found[name].page]
    assert [words for words in EXPLAINED[name] if words.lower() not in page.lower()] == []


@pytest.mark.parametrize("name", sorted(set(EXPLAINED) - {"paused"}))
def test_attention_leads_to_it(seen: tuple[dict[str, Incident], dict[str, str]], name: str) -> None:
    assert EXPLAINED[name][0].lower() in seen[1]["/attention"].lower()


def test_the_first_page_and_attention_show_that_a_partner_is_paused(
    seen: tuple[dict[str, Incident], dict[str, str]],
) -> None:
    assert f"gepauzeerd door gebruiker {OPERATOR}" in seen[1]["/"]
    assert f"gepauzeerd door gebruiker {OPERATOR}" in seen[1]["/attention"]


def test_no_page_shows_a_bsn(seen: tuple[dict[str, Incident], dict[str, str]]) -> None:
    assert [path for path, page in seen[1].items() if re.search(r"(?<!\d)9999\d{5}(?!\d)", page)] == []
