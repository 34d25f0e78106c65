"""At which addresses a source may be asked: below the one of the settings, however an address is written."""

from __future__ import annotations

import pytest

from bridge.inzage.client import Source, find_source

SOURCE = Source(oin="00000001999990044000", base_url="https://bron.example/inzage")


@pytest.mark.parametrize("path", ["/melding/1", "/melding/urn%3Amelding%3A1", "/melding/a.b"])
def test_what_lies_below_the_address_of_a_source_may_be_asked(path: str) -> None:
    assert find_source((SOURCE,), SOURCE.base_url + path) is SOURCE


@pytest.mark.parametrize(
    "url",
    [
        "https://bron.example/inzage/..",
        "https://bron.example/inzage/../beheer",
        "https://bron.example/inzage/%2e%2e/beheer",
        "https://bron.example/inzage/%2E%2E%2Fbeheer",
        "https://bron.example/inzage/a/%2e%2e/%2e./beheer",
        "https://bron.example/inzage/..;/beheer",
        "https://bron.example/inzage/..%5cbeheer",
        "https://bron.example/inzage//beheer",
        "https://bron.example/inzagebeheer",
        "https://bron.example/inzage",
        "https://bron.example:8443/inzage/melding/1",
        "http://bron.example/inzage/melding/1",
        "https://bron.example.evil.example/inzage/melding/1",
        "https://bron.example@evil.example/inzage/melding/1",
        "https://user@bron.example/inzage/melding/1",
        "https://bron.example/inzage/melding/1?x=1",
        "https://bron.example/inzage/melding/1#x",
        "https://[::1/inzage/melding/1",
        "//bron.example/inzage/melding/1",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_that_leads_anywhere_else_is_not_asked(url: str) -> None:
    assert find_source((SOURCE,), url) is None
