"""The verdict on a good event of every form, and on the same event with one thing wrong, in each mode.

A row names the rule, then its level in the modes cncf, publish and receive (E error, W warning, - nothing), then the
one change. Events are plain JSON here, made without the bridge.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge.hub.profile import Mode, check_inspected, default_profile
from bridge.hub.reader import Limits, inspect_http, inspect_structured

PROFILE = default_profile()
WIDE = Limits(event=2**20)

OIN = "00000001234567890000"
READER = "00000001999990044000"
ENTITY = "urn:uitkomst-overleg:6f1d2a34-0000-5000-8000-000000000001"
ACTIVITY = "urn:uuid:6f1d2a34-0000-5000-8000-000000000002"
PERSON = "urn:uuid:6f1d2a34-0000-5000-8000-000000000003"
EVENT = "0b2f1f6e-3f0e-4f57-9f0e-3f1d2c3b4a59"
BSN = "999990019"
URL = "https://bron.example/inzage/uitkomst-overleg/6f1d2a34-0000-5000-8000-000000000001"
CONTEXT = {
    "prov": "http://www.w3.org/ns/prov#",
    "soh": "https://samen-onder-handbereik.github.io/specificaties/schema/",
}
AGENT = {
    "@id": f"urn:nld:oin:{OIN}",
    "@type": ["prov:Agent", "soh:Organisatie"],
    "soh:identifier": OIN,
}

OUTCOME: dict[str, Any] = {
    "specversion": "1.0",
    "id": EVENT,
    "source": f"urn:nld:oin:{OIN}:systeem:zaaksysteem",
    "type": "uitwisselen-uitkomst-overleg.uitkomst-beschikbaar-gesteld",
    "time": "2026-01-10T12:00:00Z",
    "subject": ENTITY,
    "datacontenttype": "application/ld+json",
    "data": {
        "@context": CONTEXT,
        "@graph": [
            {
                "@id": ENTITY,
                "@type": ["prov:Entity", "soh:UitkomstOverleg"],
                "prov:wasGeneratedBy": {"@id": ACTIVITY},
                "soh:betreft": {"@id": PERSON},
                "soh:beschikbaarGesteldOp": "2026-01-10T12:00:00Z",
                "soh:inzageUrl": URL,
            },
            {"@id": PERSON, "@type": ["prov:Entity", "soh:Betrokkene"], "soh:burgerservicenummer": BSN},
            {
                "@id": ACTIVITY,
                "@type": ["prov:Activity", "soh:BeschikbaarStellenUitkomst"],
                "prov:wasAssociatedWith": {"@id": f"urn:nld:oin:{OIN}"},
            },
            AGENT,
        ],
    },
}
LOOKUP: dict[str, Any] = OUTCOME | {
    "type": "uitwisselen-uitkomst-overleg.uitkomst-ingezien",
    "data": {
        "@context": CONTEXT,
        "@graph": [
            {"@id": ENTITY, "@type": ["prov:Entity", "soh:UitkomstOverleg"]},
            {
                "@id": ACTIVITY,
                "@type": ["prov:Activity", "soh:InzienUitkomst"],
                "prov:used": {"@id": ENTITY},
                "prov:wasAssociatedWith": {"@id": f"urn:nld:oin:{READER}"},
            },
            AGENT | {"@id": f"urn:nld:oin:{READER}", "soh:identifier": READER},
        ],
    },
}
REPORT: dict[str, Any] = OUTCOME | {
    "type": "uitwisselen-melding.melding-geregistreerd",
    "subject": "melding/6f1d2a34",
    "datacontenttype": "application/json",
    "data": {"bsn": BSN, "leeftijd": 7},
}
TAKEN: dict[str, Any] = REPORT | {
    "type": "uitwisselen-melding.melding-opgepakt",
    "data": {"opgepaktDoor": READER, "opgepaktOp": "2026-01-10T12:00:00Z"},
}
LOOKED: dict[str, Any] = REPORT | {
    "type": "uitwisselen-melding.melding-ingezien",
    "data": {"raadpleger": READER},
}

Change = Callable[[dict[str, Any]], Any]


def put(**members: Any) -> Change:
    return lambda event: event.update(members)


def drop(name: str) -> Change:
    return lambda event: event.pop(name)


def node(event: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in event["data"]["@graph"] if kind in one["@type"])


def on(kind: str, name: str, value: Any = None) -> Change:
    """Set a property of the node of this type; None takes it away."""

    def change(event: dict[str, Any]) -> None:
        found = node(event, kind)
        if value is None:
            del found[name]
        else:
            found[name] = value

    return change


def without(kind: str) -> Change:
    return lambda event: event["data"]["@graph"].remove(node(event, kind))


def data(**members: Any) -> Change:
    return lambda event: event["data"].update(members)


def also(row: dict[str, Any]) -> Change:
    return lambda event: event["data"]["@graph"].append(row)


ENT, PERS, ACT, AGT = "soh:UitkomstOverleg", "soh:Betrokkene", "prov:Activity", "prov:Agent"

ROWS: list[tuple[str, str, dict[str, Any], Change]] = [
    # Envelope
    ("SOH-01", "EEE", OUTCOME, drop("specversion")),
    *(
        ("SOH-01", "EEE", OUTCOME, put(specversion=v))
        for v in ("0.3", "1.0.2", "1", "", 1, 1.0, True, ["1.0"])
    ),
    *(("SOH-02", "EEE", OUTCOME, put(id=v)) for v in ("", None, 17, 1.5, {}, True)),
    ("SOH-03", "-WW", OUTCOME, put(id="melding-17")),
    *(
        ("SOH-06", "EEE", OUTCOME, put(source=v))
        for v in ("", None, 7, "urn:x y", "urn:x%2", "http://[::1", "http://a:b@c:d/", "a\\b", "é", "1:2")
    ),
    ("SOH-07", "-WW", OUTCOME, put(source=f"urn:nld:oin:{OIN}")),
    ("SOH-08", "-WW", OUTCOME, put(source=f"/oin/{OIN}/systeem/zaaksysteem")),
    ("SOH-09", "-EW", OUTCOME, put(source=URL)),
    ("SOH-09", "-EW", OUTCOME, put(source="https://bron.example/1", dataref="https://bron.example/1")),
    *(("SOH-10", "EEE", OUTCOME, put(type=v)) for v in ("", None, 1)),
    *(
        ("SOH-10", "-EE", OUTCOME, put(type=v))
        for v in (
            "Uitwisselen-Melding.melding-ingezien",
            "nl.overheid.melding-geregistreerd",
            "uitwisselen-melding.melding-geregistreerd.v1",
            "uitwisselen-melding.melding-geregistreerd-v2",
            "uitwisselen-melding.",
            "uitwisselen_melding.melding",
            "melding",
        )
    ),
    ("SOH-11", "-E-", OUTCOME, put(type="uitwisselen-melding.iets-anders")),
    ("SOH-12", "--W", OUTCOME, put(type="uitwisselen-melding.iets-anders")),
    ("SOH-13", "-EE", OUTCOME, drop("time")),
    ("SOH-13", "-EE", OUTCOME, put(time=None)),
    *(
        ("SOH-14", "EEE", OUTCOME, put(time=v))
        for v in (
            "",
            "2026-01-10",
            "2026-01-10T12:00:00",
            "2026-01-10T12:00Z",
            "20260110T120000Z",
            "2026-W02-6T12:00:00Z",
            "2026-01-10T12:00:00,5Z",
            "2026-01-10T24:00:00Z",
            "2026-02-30T12:00:00Z",
            "2026-01-10T12:00:60Z",
            "2026-01-10 12:00:00Z",
            "2026-01-10T12:00:00+01",
            "2026-01-10T12:00:00 Z",
            1768046400,
        )
    ),
    *(
        ("SOH-15", "-EE", OUTCOME, put(time=f"2026-01-10T12:00:00{v}"))
        for v in ("+01:00", "-05:00", "-00:00")
    ),
    *(("SOH-18", "EEE", OUTCOME, put(datacontenttype=v)) for v in ("", "json", "application/", "a/b; c", 1)),
    ("SOH-18", "-EW", OUTCOME, put(datacontenttype="application/json")),
    ("SOH-18", "-EW", OUTCOME, drop("datacontenttype")),
    *(
        ("SOH-19", "EEE", OUTCOME, put(dataschema=v))
        for v in ("", "/schema", "schema.json", "http:", "x y:z", 4)
    ),
    (
        "SOH-20",
        "-EE",
        OUTCOME,
        put(
            dataschema="https://samen-onder-handbereik.github.io/specificaties/jsonschema/cloudevents/"
            "uitkomst-overleg.json#uitkomst-beschikbaar-gesteld"
        ),
    ),
    *(("SOH-21", "EEE", OUTCOME, put(subject=v)) for v in ("", 7, [])),
    ("SOH-21", "-EE", OUTCOME, put(subject=EVENT)),
    ("SOH-21", "-EW", OUTCOME, drop("subject")),
    ("SOH-22", "-EW", OUTCOME, put(subject="urn:uitkomst-overleg:6f1d2a34-0000-5000-8000-000000000009")),
    ("SOH-22", "-EW", REPORT, put(subject="casus/6f1d2a34")),
    *(("SOH-23", "-EE", OUTCOME, put(data=v)) for v in ([], "tekst", 7, None, True)),
    ("SOH-23", "-EE", OUTCOME, drop("data")),
    ("SOH-23", "-EE", OUTCOME, lambda e: (e.pop("data"), e.update(data_base64="e30="))),
    *(
        ("SOH-24", "EEE", OUTCOME, put(**{v: "x"}))
        for v in ("correlationId", "trace-parent", "foo_bar", "", "é", "a b", "data.x")
    ),
    ("SOH-24", "EEE", OUTCOME, put(fooBar={"a": 1})),
    ("SOH-24", "WWW", OUTCOME, put(**{"a" * 21: "x"})),
    ("SOH-24", "WWW", OUTCOME, put(**{"9lives": "x"})),
    *(
        ("SOH-25", "EEE", OUTCOME, put(foo=v))
        for v in (
            1.5,
            1e2,
            2147483648,
            -2147483649,
            10**400,
            {},
            [],
            "\x07",
            "\x7f",
            "\x9f",
            "\ufffe",
            "\ufdd0",
        )
    ),
    ("SOH-29", "EEE", OUTCOME, put(data_base64="e30=")),
    *(("SOH-29", "EEE", OUTCOME, put(data=..., data_base64=v)) for v in ("@@@@", "e30", "e30\n=", "_-==", 7)),
    ("SOH-29", "EEE", OUTCOME, put(data=None, data_base64="e30=")),
    ("SOH-30", "EEE", OUTCOME, put(datacontenttype="application/xml")),
    *(
        ("SOH-32", "-E-", OUTCOME, put(**{name: value}))
        for name, value in (
            ("subject", f"melding/{BSN}"),
            ("partitionkey", BSN),
            ("foo", int(BSN)),
            ("foo", "9999.90.019"),
            ("dataref", f"https://x.example/?bsn=%39{BSN[1:]}"),
            (f"x{BSN}", "x"),
        )
    ),
    ("SOH-32", "-E-", OUTCOME, on(ENT, "soh:inzageUrl", f"https://bron.example/inzage/{BSN}")),
    ("SOH-33", "--W", OUTCOME, put(partitionkey=BSN)),
    ("SOH-33", "--W", OUTCOME, on(ENT, "soh:inzageUrl", f"https://bron.example/inzage/{BSN}")),
    ("SOH-34", "-E-", OUTCOME, put(foo="a" * 70_000)),
    ("SOH-35", "--E", OUTCOME, put(foo="a" * 270_000)),
    # Extensions
    *(
        ("SOH-38", "EEE", OUTCOME, put(**{name: value}))
        for name in (
            "correlationid",
            "causationid",
            "traceparent",
            "sequence",
            "partitionkey",
            "datacategory",
        )
        for value in ("", 7)
    ),
    ("SOH-39", "-EW", OUTCOME, put(traceparent="00-zz-1-01")),
    *(("SOH-40", "EEE", OUTCOME, put(dataref=v)) for v in ("", "a b", "http://x/%zz", 7)),
    *(("SOH-42", "EEE", OUTCOME, put(**{n: "gisteren"})) for n in ("expirytime", "recordedtime")),
    ("SOH-43", "-WW", OUTCOME, put(expirytime="2026-01-09T12:00:00Z")),
    *(("SOH-44", "-EW", OUTCOME, put(informatieniveau=v)) for v in ("hoog", "", "Full", 2)),
    ("SOH-44", "-EW", OUTCOME, put(informatieniveau="notification")),
    ("SOH-44", "-EW", REPORT, put(informatieniveau="restricted")),
    ("SOH-44", "-EW", OUTCOME, put(eventfamilie="")),
    # The graph
    ("SOH-45", "-EE", OUTCOME, lambda e: e["data"].pop("@context")),
    ("SOH-45", "-EE", OUTCOME, lambda e: e["data"].pop("@graph")),
    ("SOH-45", "-EE", OUTCOME, data(**{"@context": "https://elders.example/context"})),
    ("SOH-45", "-EE", OUTCOME, data(**{"@context": CONTEXT | {"prov": "http://example.org/prov#"}})),
    ("SOH-45", "-EE", OUTCOME, on(ENT, "dcterms:title", "x")),
    ("SOH-45", "-EE", OUTCOME, on(ENT, "@type", ["prov:Entity", "zaak:Uitkomst"])),
    ("SOH-45", "-EE", OUTCOME, on(ENT, "soh:versie", {"@value": "1", "@type": "xsd:integer"})),
    ("SOH-46", "-EW", OUTCOME, without(ENT)),
    ("SOH-46", "-EW", OUTCOME, without(ACT)),
    ("SOH-46", "-EW", OUTCOME, without(AGT)),
    ("SOH-46", "-E-", OUTCOME, on(ACT, "prov:wasAssociatedWith")),
    (
        "SOH-47",
        "-E-",
        OUTCOME,
        on(ENT, "soh:betreft", {"@id": "urn:uuid:6f1d2a34-0000-5000-8000-00000000000f"}),
    ),
    ("SOH-48", "-EW", OUTCOME, also({"@id": ENTITY, "@type": ["prov:Entity", "soh:Casus"]})),
    ("SOH-48", "-EW", OUTCOME, also({"@id": "urn:casus:1", "@type": "soh:Casus"})),
    ("SOH-48", "-W-", OUTCOME, on(AGT, "@type", ["prov:Agent"])),
    *(("SOH-49", "-EE", OUTCOME, on(kind, "@id", f"urn:uuid:{EVENT}")) for kind in (ENT, PERS, ACT, AGT)),
    ("SOH-49", "-EE", OUTCOME, on(ENT, "@id", ACTIVITY)),
    *(("SOH-50", "-E-", OUTCOME, on(ACT, "@id", v)) for v in ("urn:activity:zaak-17", "urn:uuid:17")),
    ("SOH-52", "-EE", OUTCOME, on(PERS, "@id", f"urn:bsn:{BSN}")),
    ("SOH-52", "-EE", OUTCOME, also({"@id": "urn:x:1", "@type": ["prov:Entity", "soh:Burgerservicenummer"]})),
    ("SOH-52", "-EE", OUTCOME, on(ENT, "soh:identifier", BSN)),
    ("SOH-52", "-EE", OUTCOME, on(ENT, "soh:burgerservicenummer", BSN)),
    ("SOH-52", "-EE", OUTCOME, on(PERS, "soh:burgerservicenummer", "999990018")),
    ("SOH-53", "-E-", OUTCOME, on(PERS, "@id", "urn:betrokkene:17")),
    ("SOH-54", "-EW", OUTCOME, on(ENT, "soh:notulen", "Er is gesproken over de situatie thuis.")),
    ("SOH-54", "-EW", OUTCOME, on(PERS, "soh:naam", "J. Jansen")),
    ("SOH-54", "-EW", OUTCOME, data(besluit="ondertoezichtstelling")),
    ("SOH-54", "-EW", REPORT, data(naam="J. Jansen")),
    ("SOH-55", "-EE", LOOKUP, without(AGT)),
    ("SOH-55", "-EE", LOOKUP, on(ACT, "prov:wasAssociatedWith")),
    ("SOH-55", "-EE", LOOKUP, on(ACT, "prov:used")),
    ("SOH-56", "-E-", OUTCOME, on(ACT, "prov:generated", {"@id": ENTITY})),
    ("SOH-56", "-E-", OUTCOME, on(ENT, "prov:wasGeneratedBy")),
    ("SOH-57", "-W-", OUTCOME, on(ACT, "@type", ["prov:Activity", "soh:BeschikbaarStellenUitkomstOverleg"])),
    ("SOH-58", "-E-", OUTCOME, on(AGT, "@id", "urn:organisatie:voorbeeld")),
    ("SOH-58", "-E-", OUTCOME, on(AGT, "soh:identifier")),
    ("SOH-60", "-EW", OUTCOME, on(ENT, "@id", URL)),
    ("SOH-61", "-EW", OUTCOME, on(ENT, "soh:beschikbaarGesteldOp")),
    ("SOH-61", "-EW", OUTCOME, on(ENT, "soh:inzageUrl")),
    ("SOH-61", "-EW", OUTCOME, on(ENT, "soh:inzageUrl", "/inzage/uitkomst-overleg/1")),
    ("SOH-61", "-EW", OUTCOME, on(PERS, "soh:burgerservicenummer")),
    # Uitwisselen Melding
    *(("SOH-63", "-EW", event, put(subject="6f1d2a34")) for event in (REPORT, TAKEN, LOOKED)),
    *(("SOH-63", "-EW", event, drop("subject")) for event in (REPORT, TAKEN, LOOKED)),
    ("SOH-64", "-EW", REPORT, put(data={"leeftijd": 7})),
    ("SOH-64", "-EW", REPORT, put(data={"bsn": BSN})),
    *(("SOH-64", "-EW", REPORT, data(bsn=v)) for v in ("999990018", 999990019, "")),
    *(("SOH-64", "-EW", REPORT, data(leeftijd=v)) for v in ("7", -1, 7.5, True, 200)),
    ("SOH-65", "-EW", TAKEN, put(data={"opgepaktOp": "2026-01-10T12:00:00Z"})),
    ("SOH-65", "-EW", LOOKED, put(data={"raadpleger": "Veilig Thuis"})),
    ("SOH-65", "-EW", LOOKED, data(naam="J. Jansen")),
    ("SOH-65", "-EW", TAKEN, data(tekst="De melding gaat over ...")),
    ("SOH-65", "-EW", TAKEN, data(bsn=BSN)),
]

GOOD_CHANGES: list[tuple[dict[str, Any], Change]] = [
    *((event, lambda _: None) for event in (OUTCOME, LOOKUP, REPORT, TAKEN, LOOKED)),
    *((OUTCOME, put(time=f"2026-01-10T12:00:00{v}")) for v in ("+00:00", ".123456789Z")),
    (OUTCOME, put(time="2016-12-31T23:59:60Z")),
    (OUTCOME, put(subject=ENTITY, foo=2147483647, bar=-2147483648, baz=True, qux="")),
    (OUTCOME, put(foo=None, dataschema=None)),
    (OUTCOME, put(datacontenttype="Application/LD+JSON; Charset=UTF-8")),
    (OUTCOME, put(source=f"URN:NLD:oin:{OIN}:systeem:zaaksysteem")),
    (OUTCOME, put(foo="a" * 60_000)),
    (OUTCOME, put(dataref="../x", sequence="00042", expirytime="2026-02-01T00:00:00+01:00")),
    (OUTCOME, put(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
    (OUTCOME, put(recordedtime="2026-01-10T12:00:01.5Z", informatieniveau="full", eventfamilie="uuo")),
    (OUTCOME, on(PERS, "soh:burgerservicenummer", {"@value": BSN})),
    (OUTCOME, on(ENT, "prov:wasGeneratedBy", ACTIVITY)),
    (OUTCOME, on(ENT, "@type", [CONTEXT["prov"] + "Entity", "soh:UitkomstOverleg"])),
    (REPORT, drop("datacontenttype")),
    (REPORT, data(registratiedatum="2026-01-10", categorie="A", prioriteit="hoog")),
]


def verdict(octets: bytes, mode: Mode) -> dict[str, str]:
    """The levels by rule; the gravest of a rule counts."""
    found = check_inspected(inspect_structured(octets, limits=WIDE), mode, profile=PROFILE)
    return {one.rule: one.level[0].upper() for one in sorted(found, key=lambda one: one.level, reverse=True)}


@pytest.mark.rule(*sorted({row[0] for row in ROWS} - {"SOH-07"}))
@pytest.mark.parametrize(
    ("rule", "levels", "base", "change"), ROWS, ids=[f"{i}-{row[0]}" for i, row in enumerate(ROWS)]
)
def test_one_change_breaks_its_rule_at_its_level_in_each_mode(
    rule: str, levels: str, base: dict[str, Any], change: Change
) -> None:
    event = copy.deepcopy(base)
    change(event)
    octets = json.dumps({name: value for name, value in event.items() if value is not ...}).encode()
    assert "".join(verdict(octets, mode).get(rule, "-") for mode in Mode) == levels


@pytest.mark.parametrize(("base", "change"), GOOD_CHANGES)
@pytest.mark.parametrize("mode", list(Mode))
def test_a_good_event_is_good_in_every_mode(base: dict[str, Any], change: Change, mode: Mode) -> None:
    event = copy.deepcopy(base)
    change(event)
    assert verdict(json.dumps(event).encode(), mode) == {}


OCTETS: list[tuple[str, Callable[[str], bytes]]] = [
    ("SOH-27", lambda text: f'{text[:-1]}, "id": "again"}}'.encode()),
    ("SOH-27", lambda text: f'{text[:-1]}, "\\u0069d": "again"}}'.encode()),
    ("SOH-28", lambda text: b"\xef\xbb\xbf" + text.encode()),
    ("SOH-28", lambda text: f'{text[:-1]}, "foo": NaN}}'.encode()),
    ("SOH-28", lambda text: text.replace('"data": {', '"data": {"x": -Infinity, ').encode()),
    ("SOH-28", lambda text: f"{text[:-1]},}}".encode()),
    ("SOH-28", lambda text: text.encode("utf-16")),
    ("SOH-28", lambda text: text.replace("zaaksysteem", "zaak\xe9").encode("latin-1")),
    ("SOH-28", lambda text: f"{text} {text}".encode()),
    ("SOH-28", lambda text: f"// commentaar\n{text}".encode()),
    ("SOH-28", lambda text: text.replace('"', "'").encode()),
    ("SOH-28", lambda text: b'"' + text.replace('"', '\\"').encode() + b'"'),
    ("SOH-28", lambda _: b""),
    (
        "SOH-28",
        lambda text: text.replace('"data": {', '"data": {"x": ' + "[" * 5000 + "]" * 5000 + ", ").encode(),
    ),
    ("SOH-25", lambda text: f'{text[:-1]}, "foo": "\\udead"}}'.encode()),
    ("SOH-25", lambda text: f'{text[:-1]}, "foo": 1e999}}'.encode()),
]


@pytest.mark.rule("SOH-25", "SOH-27", "SOH-28")
@pytest.mark.parametrize(("rule", "spoil"), OCTETS)
@pytest.mark.parametrize("mode", list(Mode))
def test_octets_that_are_no_sound_json_are_refused_in_every_mode(
    rule: str, spoil: Callable[[str], bytes], mode: Mode
) -> None:
    assert verdict(spoil(json.dumps(OUTCOME)), mode).get(rule) == "E"


HEADERS = [
    ("ce-specversion", "1.0"),
    ("ce-id", EVENT),
    ("ce-source", OUTCOME["source"]),
    ("ce-type", OUTCOME["type"]),
    ("ce-time", OUTCOME["time"]),
    ("ce-subject", ENTITY),
]
LD = ("Content-Type", "application/ld+json")
BODY = json.dumps(OUTCOME["data"]).encode()
WHOLE = json.dumps(OUTCOME).encode()
NO_ID = [header for header in HEADERS if header[0] != "ce-id"]

REQUESTS: list[tuple[str, list[tuple[str, str]], bytes]] = [
    ("", [*HEADERS, LD], BODY),
    ("", [(name.upper(), value) for name, value in [*HEADERS, LD]], BODY),
    ("", [*HEADERS, LD, ("ce-foo", "Euro%20%e2%82%ac")], BODY),
    ("", [*HEADERS, LD, ("ce-foo", '"a \\"b\\" c"')], BODY),
    ("", [("Content-Type", "application/cloudevents+json; charset=UTF-8")], WHOLE),
    ("", [("Content-Type", "APPLICATION/CloudEvents+JSON"), ("ce-id", ""), ("ce-id", "x")], WHOLE),
    ("SOH-01", [*HEADERS[1:], LD], BODY),
    ("SOH-01", [("ce-specversion", "1.1"), *HEADERS[1:], LD], BODY),
    ("SOH-02", [*NO_ID, LD], BODY),
    ("SOH-02", [*NO_ID, ("ce-id", ""), LD], BODY),
    ("SOH-13", [*HEADERS[:4], HEADERS[5], LD], BODY),
    ("SOH-14", [*HEADERS[:4], ("ce-time", "2026-01-10"), LD], BODY),
    ("SOH-24", [*HEADERS, LD, ("ce-trace-parent", "x")], BODY),
    ("SOH-24", [*HEADERS, LD, ("ce-", "x")], BODY),
    ("SOH-24", [*HEADERS, LD, ("ce-data", "x")], BODY),
    ("SOH-25", [*HEADERS, LD, ("ce-foo", "a%07b")], BODY),
    ("SOH-27", [*HEADERS, LD, ("CE-ID", EVENT)], BODY),
    ("SOH-23", HEADERS, BODY),
    ("SOH-23", [*HEADERS, LD], b""),
    ("SOH-99", [LD], BODY),
    ("SOH-99", [("Content-Type", "application/json")], WHOLE),
    ("SOH-99", [], WHOLE),
    ("SOH-99", [*HEADERS, LD, LD], BODY),
    ("SOH-100", [("Content-Type", "application/cloudevents+avro")], WHOLE),
    ("SOH-100", [("Content-Type", "application/cloudevents")], WHOLE),
    ("SOH-28", [("Content-Type", "application/cloudevents+json; charset=iso-8859-1")], WHOLE),
    ("SOH-101", [*HEADERS, LD, ("ce-datacontenttype", "application/json")], BODY),
    ("SOH-101", [*HEADERS, LD], b"{not json"),
    ("SOH-102", [*HEADERS, LD, ("ce-foo", "%C0%A0")], BODY),
    ("SOH-102", [*HEADERS, LD, ("ce-foo", "100%")], BODY),
    ("SOH-102", [*HEADERS, LD, ("ce-foo", '"open')], BODY),
    ("SOH-102", [*HEADERS, LD, ("ce-foo", "\udcff")], BODY),
    ("SOH-104", [("Content-Type", "application/cloudevents-batch+json")], b"[]"),
    ("SOH-32", [*HEADERS, LD, ("ce-foo", f"%39{BSN[1:]}")], BODY),
]


@pytest.mark.rule("SOH-98", "SOH-99", "SOH-100", "SOH-101", "SOH-102", "SOH-104")
@pytest.mark.parametrize(("rule", "headers", "body"), REQUESTS)
def test_a_request_is_accepted_or_breaks_its_rule(
    rule: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    found = check_inspected(inspect_http(headers, body), Mode.PUBLISH, profile=PROFILE)
    rules = {one.rule for one in found}
    assert (rule in rules) if rule else not rules
