"""The values of a message on a page: what is masked in words, and what is wrong where."""

from typing import Any

import pytest

from bridge.incidents import UNKNOWN_CODE
from bridge.mapping.context import Finding, TraceLine
from bridge.store.rows import ExchangeState, MessageState, Role
from bridge.web.console.text import Language, catalogue
from bridge.web.console.values import value_lines, wrong_places

DUTCH, ENGLISH = catalogue(Language.DUTCH), catalogue(Language.ENGLISH)
PLACE = "jz:object/jz:indicatieSASHIngevuld"
REASON = f"M903 at {PLACE}: neither Ja nor Nee; M912 at {PLACE}: not one of Ja, Nee"


def line(value: str, **given: Any) -> TraceLine:
    return TraceLine(row="r", place="p", line=3, function="text", value=value, outputs=(), **given)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("(zaak: 15 characters)", "afgeschermd (zaak): 15 tekens"),
        ("(persoon: 1 digits)", "afgeschermd (persoon): 1 cijfer"),
        ("(vrije-tekst)", "afgeschermd (vrije tekst)"),
        ("(no value)", "geen waarde"),
        ("(unusable)", "niet te lezen"),
        ("Ja", "Ja"),
        ("999900092", "afgeschermd (kan een BSN zijn): 9 cijfers"),
        ("True", "ja"),
        ("False", "nee"),
    ],
)
def test_a_mask_is_told_in_the_language_of_the_reader(value: str, said: str) -> None:
    assert [one.value for one in value_lines([line(value)], DUTCH)] == [said]


def test_english_reader_gets_english_words_for_a_class() -> None:
    (one,) = value_lines([line("(zaak: 15 characters)")], ENGLISH)
    assert one.value == "masked (case): 15 characters"


def test_the_values_that_may_stand_are_told_once() -> None:
    faults = (
        Finding(rule="M903", text="neither Ja nor Nee", place="p"),
        Finding(rule="M912", text="not one of Ja, Nee", place="p"),
    )
    (one,) = value_lines([line("(unusable)", faults=faults, allowed=("Ja", "Nee"))], DUTCH)
    assert one.wrong == ("Hier mag alleen staan: Ja, Nee",)


def test_a_reason_says_at_which_place_what_is_wrong() -> None:
    assert wrong_places(REASON, DUTCH) == {PLACE: "hier mag alleen staan: Ja, Nee"}
    assert wrong_places("FUNCTIONEEL: nee; iets", DUTCH) == {}
    assert wrong_places(None, DUTCH) == {}


@pytest.fixture
def stopped(seeder: Any) -> Any:
    """A report with a code that the mapping does not know."""
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason=REASON)
    return seeder.message(
        exchange,
        state=MessageState.PARKED,
        mapping=None,
        action="vtMelding",
        reason=REASON,
        content=UNKNOWN_CODE,
    )


async def test_the_row_that_failed_is_among_the_values(browser: Any, stopped: Any) -> None:
    page = await browser.get(f"/messages/{stopped.key}/explanation")
    row = page.partition(f"<code>{PLACE}</code>")[2].partition("</tr>")[0]
    assert "niet te lezen" in row
    assert "Hier mag alleen staan: Ja, Nee" in row
    findings = page.partition('id="findings-title"')[2].partition("</section>")[0]
    assert findings.count("<li>") == 1
    assert "N.v.t." not in page


async def test_the_element_that_failed_is_marked_in_the_message(browser: Any, stopped: Any) -> None:
    page = await browser.get(f"/messages/{stopped.key}")
    (marked,) = [item for item in page.split("<li ") if "deep-" in item and " wrong" in item[:30]]
    assert "indicatieSASHIngevuld" in marked
    assert "hier mag alleen staan: Ja, Nee" in marked
    assert "N.v.t." not in page


async def test_who_may_not_see_content_sees_no_place_in_it(enter: Any, stopped: Any) -> None:
    page = await (await enter(Role.VIEWER)).get(f"/messages/{stopped.key}")
    assert "Hierop is het bericht blijven staan" not in page
