# ruff: noqa: E501 (a table is read by its columns)
"""MIME, HTTP and XML as other implementations write them or get them wrong, each with its verdict."""

from __future__ import annotations

import base64
import hashlib
import quopri
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.judged.wire import (
    MULTIPART,
    ROOT_HEAD,
    Part,
    edit,
    envelope,
    http,
    mime_body,
    multipart,
    plain,
)

Verdict = Callable[..., str]
Judge = Callable[..., dict[str, Any]]

XML = "<melding>\r\n é</melding>\r\n".encode()
BINARY = bytes(range(256)) * 3


def one(office: Any, *edits: tuple[str, str]) -> str:
    return edit(envelope(office.now, references=("p1@x",)), *edits)


def body(office: Any, *edits: tuple[str, str]) -> bytes:
    return mime_body(one(office, *edits), Part(octets=XML))


def swap(octets: bytes, *pairs: tuple[bytes, bytes]) -> bytes:
    for old, new in pairs:
        assert old in octets, old
        octets = octets.replace(old, new)
    return octets


CONTENT_TYPES: dict[str, tuple[str, str]] = {
    "as RFC 2387 writes it": (MULTIPART, "ok"),
    "type without quotes": ("multipart/related; type=text/xml; boundary=MIME_b", "ok"),
    "no type": ("multipart/related; boundary=MIME_b", "ok"),
    "type in capitals": ('Multipart/Related; Type="TEXT/XML"; Boundary="MIME_b"', "ok"),
    "charset on the multipart": ('multipart/related; charset="UTF-8"; type="text/xml"; boundary="MIME_b"', "ok"),
    "start without brackets": ('multipart/related; type="text/xml"; boundary="MIME_b"; start=env@x', "ok"),
    "start that names nothing": ('multipart/related; type="text/xml"; boundary="MIME_b"; start="<none@x>"', "ok"),
    "start-info and a parameter of its own": (MULTIPART + '; start-info="text/xml"; x-vendor=1', "ok"),
    "blanks around": ('multipart/related ;  type = "text/xml" ;boundary = "MIME_b"', "ok"),
    "a semicolon at the end": (MULTIPART + ";", "ok"),
    "no boundary": ('multipart/related; type="text/xml"', "fault Client"),
    "empty boundary": ('multipart/related; type="text/xml"; boundary=""', "fault Client"),
    "another boundary": ('multipart/related; type="text/xml"; boundary="other"', "fault Client"),
    "two boundaries": ('multipart/related; type="text/xml"; boundary="MIME_b"; boundary="x"', "fault Client"),
    "SOAP 1.2 type": ('multipart/related; type="application/soap+xml"; boundary="MIME_b"', "fault Client"),
    "MTOM": ('multipart/related; type="application/xop+xml"; start-info="text/xml"; boundary="MIME_b"', "fault Client"),
    "multipart/mixed": ('multipart/mixed; boundary="MIME_b"', "fault Client"),
    "text/xml over a multipart": ("text/xml; charset=UTF-8", "fault Client"),
    "application/soap+xml": ("application/soap+xml", "fault Client"),
    "application/xml": ("application/xml", "fault Client"),
    "nothing": ("", "fault Client"),
    "no media type": ("xml", "fault Client"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENT_TYPES)
def test_content_type_of_the_request(office: Any, verdict: Verdict, name: str) -> None:
    content_type, expected = CONTENT_TYPES[name]
    assert verdict(http(body(office), content_type), office.cpa()) == expected


FRAMES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "preamble and epilogue": (lambda b: b"This is MIME.\r\n" + b + b"The end.\r\n--MIME_b\r\n", "ok"),
    "no line end at the end": (lambda b: b.removesuffix(b"\r\n"), "ok"),
    "blanks after the boundary": (lambda b: swap(b, (b"--MIME_b\r\n", b"--MIME_b \t\r\n")), "ok"),
    "line that only begins as a boundary": (lambda b: swap(b, (b"</melding>", b"\r\n--MIME_bx\r\n</melding>")), "ok"),
    "boundary inside a line": (lambda b: swap(b, (b"</melding>", b" --MIME_b</melding>")), "ok"),
    "folded header in a part": (lambda b: swap(b, (b"text/xml; charset", b"text/xml;\r\n\tcharset")), "ok"),
    "header names in another case": (lambda b: swap(b, (b"Content-ID", b"content-id"), (b"Content-Type", b"CONTENT-TYPE")), "ok"),
    "Content-ID without brackets": (lambda b: swap(b, (b"<p1@x>", b"p1@x")), "ok"),
    "Content-ID with blanks": (lambda b: swap(b, (b": <p1@x>", b":   <p1@x>  ")), "ok"),
    "headers of its own": (lambda b: swap(b, (b"Content-ID: <p1@x>", b"X-Own: 1\r\nContent-Disposition: attachment; filename=\"null\"\r\nContent-ID: <p1@x>")), "ok"),
    "root without Content-ID": (lambda b: swap(b, (b"\r\nContent-ID: <env@x>", b"")), "ok"),
    "root without charset": (lambda b: swap(b, (b"; charset=UTF-8", b"")), "ok"),
    "part without Content-Type": (lambda b: swap(b, (b"Content-Type: application/xml\r\n", b"")), "ok"),
    "made-up type of a part": (lambda b: swap(b, (b"application/xml", b"application/octream")), "ok"),
    "root without Content-Type": (lambda b: swap(b, (b"Content-Type: text/xml; charset=UTF-8\r\n", b"")), "fault Client"),
    "root that is no XML type": (lambda b: swap(b, (b"text/xml; charset", b"text/plain; charset")), "fault Client"),
    "no closing boundary": (lambda b: swap(b, (b"\r\n--MIME_b--", b"")), "fault Client"),
    "cut off in the part": (lambda b: b[:-40], "fault Client"),
    "cut off in the envelope": (lambda b: b[:400], "fault Client"),
    "empty": (lambda b: b"", "fault Client"),
    "only a closing boundary": (lambda b: b"--MIME_b--\r\n", "fault Client"),
    "header line without a colon": (lambda b: swap(b, (b"Content-ID: <p1@x>", b"Content-ID <p1@x>")), "fault Client"),
    "no empty line after the headers": (lambda b: swap(b, (b"binary\r\n\r\n", b"binary\r\n")), "fault Client"),
    "two Content-IDs in a part": (lambda b: swap(b, (b"Content-ID: <p1@x>", b"Content-ID: <p1@x>\r\nContent-ID: <p2@x>")), "fault Client"),
    "header of a part far too long": (lambda b: swap(b, (b"Content-ID: <p1@x>", b"X: " + b"x" * 20000 + b"\r\nContent-ID: <p1@x>")), "fault Client"),
    "part with another Content-ID": (lambda b: swap(b, (b"<p1@x>", b"<p2@x>")), "MimeProblem cid:p1@x"),
    "part without Content-ID": (lambda b: swap(b, (b"Content-ID: <p1@x>\r\n", b"")), "MimeProblem cid:p1@x"),
    "unknown transfer encoding": (lambda b: swap(b, (b"binary", b"x-uuencode")), "MimeProblem cid:p1@x"),
    "base64 that is none": (lambda b: swap(b, (b"binary", b"base64")), "MimeProblem cid:p1@x"),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_frame_of_the_multipart(office: Any, verdict: Verdict, name: str) -> None:
    change, expected = FRAMES[name]
    assert verdict(http(change(body(office)), MULTIPART), office.cpa()) == expected


@pytest.mark.rule("DK-109")
@pytest.mark.parametrize(
    "octets", [XML, BINARY, b"", b"\r\n", b"--MIME_b--"], ids=["xml", "binary", "empty", "line", "like"]
)
@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("binary", bytes),
        ("8BIT", bytes),
        ("7bit", bytes),
        ("Base64", base64.encodebytes),
        ("base64", base64.b64encode),
        ("base64", lambda octets: base64.encodebytes(octets).replace(b"\n", b"\r\n") + b"\r\n"),
        ("quoted-printable", lambda octets: quopri.encodestring(octets.replace(b"\r", b"=0D")) if b"\r" not in octets else b"".join(b"=%02X" % o for o in octets)),
        ("Quoted-Printable", lambda octets: b"=\r\n".join(b"=%02X" % o for o in octets)),
    ],
    ids=["binary", "8bit", "7bit", "base64-lf", "base64-one-line", "base64-crlf", "qp", "qp-soft"],
)  # fmt: skip
def test_every_transfer_encoding_is_undone(
    office: Any, judge_raw: Judge, octets: bytes, name: str, encode: Callable[[bytes], bytes]
) -> None:
    sent = encode(octets)
    if b"--MIME_b" in sent:
        sent = octets = b"like"
    found = judge_raw(
        multipart(one(office), Part(octets=sent, headers=f"Content-Transfer-Encoding: {name}\r\n")),
        office.cpa(),
    )
    assert found["error"] is None
    (part,) = found["parts"]
    assert (part["size"], part["sha256"]) == (len(octets), hashlib.sha256(octets).hexdigest())


def test_bare_line_feeds_frame_a_message_without_touching_its_content(office: Any, judge_raw: Judge) -> None:
    octets = swap(mime_body(one(office), Part(octets=b"<a>\n</a>")), (b"\r\n", b"\n"))
    found = judge_raw(http(octets, MULTIPART), office.cpa())
    assert found["error"] is None
    assert found["parts"][0]["sha256"] == hashlib.sha256(b"<a>\n</a>").hexdigest()
    assert any("bare LF" in note for note in found["notes"])


def test_an_encoded_header_container_is_read(office: Any, verdict: Verdict) -> None:
    head = ROOT_HEAD.replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n")
    octets = swap(
        body(office),
        (ROOT_HEAD.encode() + one(office).encode(), head.encode() + base64.encodebytes(one(office).encode())),
    )
    assert verdict(http(octets, MULTIPART), office.cpa()) == "ok"


def test_start_that_names_a_later_part_is_followed(office: Any, judge_raw: Judge) -> None:
    root, part = (
        f"{ROOT_HEAD}{one(office)}".encode(),
        b"Content-Type: text/plain\r\nContent-ID: <p1@x>\r\n\r\nx",
    )
    octets = b"--MIME_b\r\n" + part + b"\r\n--MIME_b\r\n" + root + b"\r\n--MIME_b--\r\n"
    found = judge_raw(http(octets, MULTIPART), office.cpa())
    assert (found["error"], [each["contentId"] for each in found["parts"]]) == (None, ["p1@x"])


@pytest.mark.parametrize(
    "boundary", ["-=3f2504e0=-", "--=_MIME-Boundary", "----=_Part_1_2.3", "a'()+_,-./:=?b c"]
)
def test_boundaries_of_peers_are_read(office: Any, verdict: Verdict, boundary: str) -> None:
    octets = swap(body(office), (b"MIME_b", boundary.encode()))
    assert verdict(http(octets, MULTIPART.replace("MIME_b", boundary)), office.cpa()) == "ok"


P1 = '<eb:Reference xlink:type="simple" xlink:href="cid:p1@x"/>'
MANIFESTS: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "no xlink:type": (((' xlink:type="simple"', ""),), "ok"),
    "a role": (((' xlink:type="simple"', ' xlink:type="simple" xlink:role="urn:r"'),), "ok"),
    "mustUnderstand on the Manifest": (((":Manifest ", ':Manifest soap:mustUnderstand="1" '),), "ok"),
    "a Schema and a Description": (((P1, P1.replace("/>", '><eb:Schema eb:location="urn:s" eb:version="1"/><eb:Description xml:lang="nl">x</eb:Description></eb:Reference>')),), "ok"),
    "a foreign child": (((P1, P1.replace("/>", '><q:Payload xmlns:q="urn:q"/></eb:Reference>')),), "ok"),
    "percent-encoded": ((("cid:p1@x", "cid:p1%40x"),), "ok"),
    "scheme in capitals": ((("cid:p1@x", "CID:p1@x"),), "ok"),
    "white space around": ((("cid:p1@x", " cid:p1@x "),), "ok"),
    "the same part twice": (((P1, P1 + P1),), "ok"),
    "no Manifest": (((f'<eb:Manifest eb:version="2.0">{P1}</eb:Manifest>', ""),), "MimeProblem cid:p1@x"),
    "one Reference too many": (((P1, P1 + P1.replace("p1", "p2")),), "MimeProblem cid:p2@x"),
    "version 1.0": ((('Manifest eb:version="2.0"', 'Manifest eb:version="1.0"'),), "Inconsistent //Body/Manifest/@version"),
    "no version": ((('Manifest eb:version="2.0"', "Manifest"),), "Inconsistent //Body/Manifest/@version"),
    "empty": (((P1, ""),), "Inconsistent //Body/Manifest/Reference"),
    "two Manifests": ((("</eb:Manifest>", '</eb:Manifest><eb:Manifest eb:version="2.0">' + P1 + "</eb:Manifest>"),), "Inconsistent //Body/Manifest"),
    "Manifest in the header": ((("</soap:Header>", f'<eb:Manifest eb:version="2.0">{P1}</eb:Manifest></soap:Header>'),), "Inconsistent //Header/Manifest"),
    "an http URL": (((P1, P1 + P1.replace("cid:p1@x", "http://x/y")),), "MimeProblem http://x/y"),
    "a mid URL": (((P1, P1 + P1.replace("cid:p1@x", "mid:a@b")),), "MimeProblem mid:a@b"),
    "a file URL": (((P1, P1 + P1.replace("cid:p1@x", "file:///etc/passwd")),), "MimeProblem file:///etc/passwd"),
    "no scheme": (((P1, P1 + P1.replace("cid:p1@x", "p1@x")),), "MimeProblem p1@x"),
    "brackets in the URL": ((("cid:p1@x", "cid:&lt;p1@x&gt;"),), "MimeProblem cid:<p1@x>"),
    "another case": ((("cid:p1@x", "cid:P1@x"),), "MimeProblem cid:P1@x"),
    "no href": (((' xlink:href="cid:p1@x"', ""),), "Inconsistent //Body/Manifest/Reference/@href"),
    "href without namespace": (((" xlink:href", " href"),), "Inconsistent //Body/Manifest/Reference/@href"),
    "an extended link": ((('xlink:type="simple"', 'xlink:type="extended"'),), "Inconsistent //Body/Manifest/Reference/@type"),
    "an unknown eb child": (((P1, P1 + "<eb:Payload/>"),), "Inconsistent //Body/Manifest/Payload"),
}  # fmt: skip


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_against_the_parts(office: Any, verdict: Verdict, name: str) -> None:
    edits, expected = MANIFESTS[name]
    assert verdict(multipart(one(office, *edits), Part(octets=XML)), office.cpa()) == expected


def test_parts_come_in_any_order_and_number(office: Any, judge_raw: Judge) -> None:
    names = [f"p{n}@x" for n in range(60)]
    parts = [Part(octets=name.encode(), content_id=name) for name in reversed(names)]
    found = judge_raw(multipart(envelope(office.now, references=names), *parts), office.cpa())
    assert (found["error"], len(found["parts"])) == (None, 60)


@pytest.mark.parametrize(
    ("parts", "references", "expected"),
    [
        (0, 0, "ok"),
        (0, 1, "MimeProblem cid:p0@x"),
        (1, 0, "MimeProblem cid:p0@x"),
        (3, 2, "MimeProblem cid:p2@x"),
        (2, 3, "MimeProblem cid:p2@x"),
        (501, 501, "fault Client"),
    ],
)  # fmt: skip
def test_every_part_is_named_and_every_name_has_a_part(
    office: Any, verdict: Verdict, parts: int, references: int, expected: str
) -> None:
    text = envelope(office.now, references=[f"p{n}@x" for n in range(references)])
    sent = [Part(octets=b"x", content_id=f"p{n}@x") for n in range(parts)]
    assert verdict(multipart(text, *sent), office.cpa()) == expected


@pytest.mark.parametrize("second", ["p1@x", "env@x"])
def test_two_parts_of_one_content_id_are_a_fault(office: Any, verdict: Verdict, second: str) -> None:
    octets = multipart(one(office), Part(octets=b"x"), Part(octets=b"y", content_id=second))
    assert verdict(octets, office.cpa()) == "fault Client"


def test_a_multipart_within_a_part_is_content(office: Any, judge_raw: Judge) -> None:
    inner = b"--in\r\nContent-Type: text/plain\r\n\r\nx\r\n--in--\r\n"
    part = Part(octets=inner, content_type='multipart/mixed; boundary="in"')
    found = judge_raw(multipart(one(office), part), office.cpa())
    assert (found["error"], found["parts"][0]["size"]) == (None, len(inner))


DECLARED = '<?xml version="1.0" encoding="UTF-8"?>'
DOCUMENTS: dict[str, tuple[Callable[[str], bytes], str, str]] = {
    "UTF-8 without parameter": (str.encode, "text/xml", "ok"),
    "UTF-8 with a BOM": (lambda t: b"\xef\xbb\xbf" + t.encode(), "text/xml; charset=UTF-8", "ok"),
    "BOM alone says it": (lambda t: b"\xef\xbb\xbf" + t.replace(DECLARED, "").encode(), "text/xml", "ok"),
    "charset in quotes and lower case": (str.encode, 'text/xml; charset="utf-8"', "ok"),
    "charset utf8": (str.encode, "text/xml; charset=utf8", "ok"),
    "no declaration": (lambda t: t.replace(DECLARED, "").encode(), "text/xml; charset=UTF-8", "ok"),
    "declaration in single quotes": (lambda t: t.replace('"1.0" encoding="UTF-8"', "'1.0' encoding='UTF-8'", 1).encode(), "text/xml", "ok"),
    "standalone": (lambda t: t.replace('"UTF-8"?>', '"UTF-8" standalone="yes"?>').encode(), "text/xml", "ok"),
    "Latin-1 by declaration": (lambda t: t.replace("UTF-8", "ISO-8859-1").encode("latin-1"), "text/xml", "ok"),
    "Latin-1 by parameter": (lambda t: t.encode("latin-1"), "text/xml; charset=iso-8859-1", "ok"),
    "parameter wins over declaration": (lambda t: t.replace("UTF-8", "ISO-8859-1").encode(), "text/xml; charset=UTF-8", "ok"),
    "UTF-16 with a BOM": (lambda t: t.replace("UTF-8", "UTF-16").encode("utf-16"), "text/xml; charset=utf-16", "ok"),
    "comment and instruction in front": (lambda t: t.replace(DECLARED, DECLARED + "\n<!-- x --><?a b?>\n").encode(), "text/xml", "ok"),
    "comment at the end": (lambda t: (t + "\n<!-- x -->\n").encode(), "text/xml", "ok"),
    "CRLF": (lambda t: t.replace("\n", "\r\n").encode(), "text/xml", "ok"),
    "white space after the root": (lambda t: (t + "\r\n\r\n  ").encode(), "text/xml", "ok"),
    "Latin-1 octets called UTF-8": (lambda t: t.replace("c1<", "cé<").encode("latin-1"), "text/xml; charset=UTF-8", "fault Client"),
    "octets that US-ASCII does not have": (lambda t: t.replace("c1<", "cé<").encode(), "text/xml; charset=us-ascii", "fault Client"),
    "unknown charset": (str.encode, "text/xml; charset=klingon", "fault Client"),
    "UTF-7": (lambda t: t.encode("utf-7"), "text/xml; charset=utf-7", "fault Client"),
    "UTF-16 without a BOM": (lambda t: t.encode("utf-16-le"), "text/xml; charset=utf-16", "fault Client"),
    "empty": (lambda t: b"", "text/xml", "fault Client"),
    "no XML": (lambda t: b"hello", "text/xml", "fault Client"),
    "white space before the declaration": (lambda t: (" " + t).encode(), "text/xml", "fault Client"),
    "two roots": (lambda t: (t + "<a/>").encode(), "text/xml", "fault Client"),
    "a tag that does not close": (lambda t: t.replace("</eb:CPAId>", "").encode(), "text/xml", "fault Client"),
    "an attribute twice": (lambda t: t.replace("<eb:CPAId>", '<eb:CPAId a="1" a="2">').encode(), "text/xml", "fault Client"),
    "a prefix without namespace": (lambda t: t.replace("<eb:CPAId>", "<q:x/><eb:CPAId>").encode(), "text/xml", "fault Client"),
    "an entity of nobody": (lambda t: t.replace("c1<", "&c;<").encode(), "text/xml", "fault Client"),
    "a control character": (lambda t: t.replace("c1<", "c\x01<").encode(), "text/xml", "fault Client"),
    "a NUL": (lambda t: t.replace("c1<", "c\x00<").encode(), "text/xml", "fault Client"),
    "DOCTYPE": (lambda t: t.replace("<soap:Envelope", "<!DOCTYPE a><soap:Envelope").encode(), "text/xml", "fault Client"),
    "DOCTYPE behind a comment": (lambda t: t.replace("<soap:Envelope", "<!-- > --><!DOCTYPE a SYSTEM 'http://x/y'><soap:Envelope").encode(), "text/xml", "fault Client"),
    "external entity": (lambda t: t.replace("<soap:Envelope", '<!DOCTYPE a [<!ENTITY c SYSTEM "file:///etc/passwd">]><soap:Envelope').replace("c1<", "&c;<").encode(), "text/xml", "fault Client"),
    "entity bomb": (lambda t: t.replace("<soap:Envelope", '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><soap:Envelope').replace("c1<", "&c;<").encode(), "text/xml", "fault Client"),
    "DOCTYPE in UTF-16": (lambda t: t.replace("<soap:Envelope", "<!DOCTYPE a><soap:Envelope").replace("UTF-8", "UTF-16").encode("utf-16"), "text/xml", "fault Client"),
    "very deep": (lambda t: t.replace("<soap:Body>", "<soap:Body>" + "<a>" * 5000 + "</a>" * 5000).encode(), "text/xml", "fault Client"),
    "very many attributes": (lambda t: t.replace("<soap:Body>", "<soap:Body " + " ".join(f'a{n}=""' for n in range(5000)) + ">").encode(), "text/xml", "fault Client"),
    "very much markup": (lambda t: t.replace("<soap:Body>", "<soap:Body>" + "<a/>" * 500_000).encode(), "text/xml", "fault Client"),
    "a very long attribute": (lambda t: t.replace("<soap:Body>", f'<soap:Body a="{"x" * 2_000_000}">').encode(), "text/xml", "ok"),
    "a SOAP fault": (lambda t: b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>x</faultstring></s:Fault></s:Body></s:Envelope>', "text/xml", "fault Client"),
    "other XML": (lambda t: b"<melding/>", "text/xml", "fault Client"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_of_the_envelope(office: Any, verdict: Verdict, name: str) -> None:
    encode, content_type, expected = DOCUMENTS[name]
    assert verdict(http(encode(envelope(office.now)), content_type), office.cpa()) == expected


REQUESTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "HTTP/1.0": (lambda r: swap(r, (b"HTTP/1.1", b"HTTP/1.0")), "ok"),
    "header names in another case": (lambda r: swap(r, (b"Content-Type", b"cOnTeNt-tYpE"), (b"SOAPAction", b"soapaction")), "ok"),
    "folded header": (lambda r: swap(r, (b"text/xml; charset", b"text/xml;\r\n  charset")), "ok"),
    "head in bare LF": (lambda r: r.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n") + b"\n\n" + r.partition(b"\r\n\r\n")[2], "ok"),
    "no request line": (lambda r: r.partition(b"\r\n")[2], "ok"),
    "MIME-like headers": (lambda r: swap(r, (b"Host:", b"MIME-Version: 1.0\r\nContent-ID: <x>\r\nContent-Transfer-Encoding: base64\r\nHost:")), "ok"),
    "no Content-Length": (lambda r: b"\r\n".join(line for line in r.split(b"\r\n") if not line.startswith(b"Content-Length")), "ok"),
    "h2c upgrade": (lambda r: swap(r, (b"Host:", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA\r\nHost:")), "ok"),
    "identity": (lambda r: swap(r, (b"Host:", b"Content-Encoding: identity\r\nHost:")), "ok"),
    "SOAPAction without quotes": (lambda r: swap(r, (b'"ebXML"', b"ebXML")), "ok"),
    "no SOAPAction": (lambda r: swap(r, (b'SOAPAction: "ebXML"\r\n', b"")), "fault Client ValueNotRecognized SOAPAction"),
    "empty SOAPAction": (lambda r: swap(r, (b'"ebXML"', b"")), "fault Client ValueNotRecognized SOAPAction"),
    "SOAPAction in quotes, empty": (lambda r: swap(r, (b'"ebXML"', b'""')), "fault Client ValueNotRecognized SOAPAction"),
    "SOAPAction of the action": (lambda r: swap(r, (b'"ebXML"', b"meld")), "fault Client ValueNotRecognized SOAPAction"),
    "SOAPAction of another action, asynchronous": (lambda r: swap(r, (b'"ebXML"', b"iets")), "fault Client ValueNotRecognized SOAPAction"),
    "SOAPAction as NHS writes it": (lambda r: swap(r, (b'"ebXML"', b"urn:nhs:names:services:psis/MCCI_IN010000UK13")), "fault Client ValueNotRecognized SOAPAction"),
    "gzip": (lambda r: swap(r, (b"Host:", b"Content-Encoding: gzip\r\nHost:")), "fault Client"),
    "two Content-Types": (lambda r: swap(r, (b"Host:", b"Content-Type: text/xml\r\nHost:")), "fault Client"),
    "no Content-Type": (lambda r: swap(r, (b"Content-Type: text/xml; charset=UTF-8\r\n", b"")), "fault Client"),
    "GET": (lambda r: swap(r, (b"POST ", b"GET ")), "fault Client"),
    "PUT": (lambda r: swap(r, (b"POST ", b"PUT ")), "fault Client"),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_head_of_the_request(office: Any, verdict: Verdict, name: str) -> None:
    change, expected = REQUESTS[name]
    assert verdict(change(plain(envelope(office.now))), office.cpa()) == expected


def test_a_soapaction_that_names_another_action_is_that_error_in_a_synchronous_response(
    office: Any, verdict: Verdict
) -> None:
    from tests.cli.judged.wire import ACK_REQUESTED, SYNC_REPLY

    octets = plain(envelope(office.now, header=SYNC_REPLY + ACK_REQUESTED), soap_action="iets")
    assert verdict(octets, office.cpa(sync=True)) == "ValueNotRecognized //Header/MessageHeader/Action"


def test_a_multipart_without_payload_is_a_message(office: Any, judge_raw: Judge) -> None:
    found = judge_raw(multipart(envelope(office.now)), office.cpa())
    assert (found["error"], found["fault"], found["parts"]) == (None, False, [])


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_chunked_file_is_put_together(office: Any, verdict: Verdict, size: int) -> None:
    octets = body(office)
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(octets[at : at + size]), octets[at : at + size])
        for at in range(0, len(octets), size)
    )
    head = http(b"", MULTIPART, headers={"Content-Length": None, "Transfer-Encoding": "chunked"})  # type: ignore[dict-item]
    assert verdict(head + chunks + b"0\r\n\r\n", office.cpa()) == "ok"
