"""What a peer said: everybody reads technical words alone, and nothing that quotes a message."""

from __future__ import annotations

import pytest

from bridge.told import MASK, is_plain, kept_apart, masked, shown, shown_error, without_told

QUOTING = [
    "Jan Jansen is onbekend",
    "betrokkene jansen is onbekend",
    "Van Veld onbekend",
    "persoon van de Veld ontbreekt",
    "adres Dorpsstraat 1 is ongeldig",
    "geboortedatum 2014-03-01 is ongeldig",
    "postcode 1234AB ongeldig",
    "geslagen",
    "veld <naam>Jansen</naam> ongeldig",
    "SOH-12: Jansen",
    "http://hub.example/jansen is onbekend",
    "jansen@example.nl onbekend",
    "veld\u200bJansen ontbreekt",
    "ｊａｎｓｅｎ is onbekend",
    "bericht " * 60,
]


@pytest.mark.parametrize("text", QUOTING)
def test_a_text_that_may_quote_a_message_is_kept_apart(text: str) -> None:
    assert kept_apart(text) == text
    for word in ("ansen", "Veld", "orps", "2014", "1234", "geslagen", "ｊａｎｓｅｎ"):
        assert word not in shown(text)
        assert word not in masked(text)


@pytest.mark.parametrize(
    "text", ["Onbekende ontvanger", "veld /time ontbreekt", "Bad Request", "SOH-12: subject ontbreekt", ""]
)
def test_technical_words_are_shown_to_everybody(text: str) -> None:
    assert (is_plain(text), shown(text), masked(text), kept_apart(text)) == (True, text, text, "")


def test_of_what_is_kept_apart_everybody_sees_the_rules_that_it_names() -> None:
    assert shown("SOH-64 en SOH-12 gelden voor Jansen, zie SOH-64") == "SOH-64 SOH-12 …"


def test_a_mask_tells_nothing_of_the_word_behind_it() -> None:
    assert masked("persoon Bo onbekend") == masked("persoon Wilhelmina onbekend") == f"{MASK} {MASK} onbekend"


@pytest.mark.parametrize(
    ("code", "location", "told"),
    [
        ("SecurityFailure", "//eb:MessageHeader/eb:From", "SecurityFailure at //eb:MessageHeader/eb:From"),
        ("ValueNotRecognized", "Jan Jansen", "ValueNotRecognized at …"),
        ("ValueNotRecognized", "//eb:PartyId[.='999990019']", "ValueNotRecognized at …"),
        ("Jansen", None, "…"),
        (
            "MimeProblem",
            "cid:01936a2b-7c3d-7000-8000-000000000000@brug.example",
            "MimeProblem at cid:01936a2b-7c3d-7000-8000-000000000000@brug.example",
        ),
        ("MimeProblem", "cid:jan.jansen@politie.example", "MimeProblem at …"),
    ],
)
def test_of_an_error_the_codes_and_places_of_the_standard_are_shown(
    code: str, location: str | None, told: str
) -> None:
    assert shown_error(code, location) == told


FORMER = [
    "FUNCTIONEEL: Jan Jansen",
    "TECHNISCH: regel 1\nJansen",
    "the partner answered with a SOAP fault (HTTP 500): Jansen; all attempts are made, one may still come",
    "the hub does not take this (status 400: Jansen (jr))",
    "the hub does not take this (status 404: Jansen); check the address and the dialect of the hub",
    "status 400: Jansen; the hub does not take this query",
    "the token endpoint refused: invalid_client (Jansen)",
    "the partner refused the message: SecurityFailure at Jansen; Jansen",
    "the partner answered with an error: SecurityFailure at Jansen",
    "a SOAP fault (HTTP 500): Jansen",
]


@pytest.mark.parametrize("reason", FORMER)
def test_a_reason_from_before_this_was_kept_apart_is_shown_without_it(reason: str) -> None:
    told = without_told(reason)
    assert "Jansen" not in told
    assert told.split(":")[0] == reason.split(":")[0]
    assert without_told(told) == told


@pytest.mark.parametrize(
    "reason",
    [
        "M903 at betrokkenen[1]/rol: code is not in the list",
        "the partner could not take it now (HTTP 503)",
        "the hub does not take this (status 400: Onbekende ontvanger)",
        "the partner refused the message: SecurityFailure at //eb:MessageHeader",
        "sent by phone",
    ],
)
def test_other_reasons_stay_as_they_are(reason: str) -> None:
    assert without_told(reason) == reason
