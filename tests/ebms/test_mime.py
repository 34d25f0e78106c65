"""Packages in and out: every framing that peers write, every trick that they might try."""

import base64
import email.policy
import quopri
import time
import tracemalloc
from contextlib import suppress
from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ebms.mime import (
    Limits,
    PackageReader,
    SpoolSink,
    pack,
    read_package,
)
from bridge.errors import SoapFault

ENVELOPE = b"<e/>"
ROOT_HEAD = "Content-Type: text/xml; charset=UTF-8\nContent-ID: <root>\n"
RELATED = 'multipart/related; type="text/xml"; boundary="B"'


def multipart(*parts, eol="\r\n", boundary="B", end="--\r\n"):
    """A body of (header lines, content) pairs; header lines are given with LF."""
    pieces = []
    for head, content in parts:
        octets = content if isinstance(content, bytes) else content.encode()
        lines = f"--{boundary}\n{head}\n".replace("\n", eol)
        pieces.append(lines.encode() + octets + eol.encode())
    return b"".join(pieces) + f"--{boundary}{end}".encode()


def read(body, content_type=RELATED, **limits):
    return read_package([("Content-Type", content_type)], body, limits=Limits(**limits))


def payload(head="Content-ID: <p>\n", content=b"octets", **options):
    """Read a package with the usual root and one part."""
    return read(multipart((ROOT_HEAD, ENVELOPE), (head, content), **options))


def contents(package):
    return [part.content.open().read() for part in package.parts]


# --- body form 1 -----------------------------------------------------------------------------------


def test_a_text_xml_body_is_the_envelope():
    package = read(b"<e/>", "text/xml; charset=UTF-8")
    assert (package.envelope, package.charset, package.parts, package.notes) == (b"<e/>", "UTF-8", (), ())


def test_a_text_xml_body_without_charset_is_noted():
    package = read(b"<e/>", "text/xml")
    assert (package.charset, package.notes) == (None, ("text/xml without charset",))


@pytest.mark.rule("DK-112")
def test_mime_headers_in_the_http_head_change_nothing():
    headers = [
        ("content-TYPE", "TEXT/XML; Charset=utf-8"),
        ("MIME-Version", "1.0"),
        ("Content-Transfer-Encoding", "base64"),
        ("Content-ID", "<x>"),
    ]
    assert read_package(headers, b"<e/>").envelope == b"<e/>"


@pytest.mark.parametrize("value", ["application/soap+xml", "multipart/mixed; boundary=B", "application/json"])
def test_another_media_type_is_415(value):
    with pytest.raises(SoapFault) as caught:
        read(b"<e/>", value)
    assert (caught.value.status, caught.value.bare) == (415, True)


def test_a_content_encoding_is_415():
    with pytest.raises(SoapFault) as caught:
        read_package([("Content-Type", "text/xml"), ("Content-Encoding", "gzip")], b"")
    assert (caught.value.status, caught.value.bare) == (415, True)


@pytest.mark.parametrize("headers", [[], [("Content-Type", "text/xml")] * 2, [("Content-Type", "xml")]])
def test_without_one_content_type_nothing_is_read(headers):
    with pytest.raises(SoapFault) as caught:
        read_package(headers, b"<e/>")
    assert (caught.value.status, caught.value.fault_code) == (500, "Client")


def test_soap_action_without_quotes_is_noted():
    headers = [("SOAPAction", "ebXML"), ("Content-Type", "text/xml; charset=UTF-8")]
    assert read_package(headers, b"").notes == ("SOAPAction is not quoted",)


# --- body form 2: framing --------------------------------------------------------------------------


def test_parts_are_the_octets_between_blank_line_and_delimiter():
    package = payload("Content-ID: <p>\nContent-Type: a/b\n", b"a\r\n\nb\r")
    assert package.envelope == ENVELOPE
    assert contents(package) == [b"a\r\n\nb\r"]
    assert package.notes == ()


@pytest.mark.rule("DK-11", "DK-126")
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_package_holds_any_number_of_parts(count):
    parts = [(f"Content-ID: <{number}>\nContent-Type: a/b\n", str(number)) for number in range(count)]
    package = read(multipart((ROOT_HEAD, ENVELOPE), *parts))
    assert [part.content_id for part in package.parts] == [str(number) for number in range(count)]


def test_bare_line_feeds_frame_parts_too():
    package = payload("Content-ID: <p>\nContent-Type: a/b\n", b"x\r\ny", eol="\n")
    assert contents(package) == [b"x\r\ny"]
    assert package.notes == ("lines end with a bare LF",)


def test_preamble_and_epilogue_are_ignored():
    body = b"this is\r\n--Bnot\r\na preamble\r\n" + multipart((ROOT_HEAD, ENVELOPE)) + b"--B\r\nepilogue"
    assert read(body).envelope == ENVELOPE


def test_an_empty_part_is_empty():
    body = multipart((ROOT_HEAD, ENVELOPE))[: -len("--B--\r\n")]
    body += b"--B\r\nContent-ID: <p>\r\nContent-Type: a/b\r\n\r\n--B--"
    assert contents(read(body)) == [b""]


@pytest.mark.parametrize(
    "content", [b"--Bx", b"--B--x", b"--B-", b" --B", b"--b", b"x--B", b"\r\r--B", b"--B\rx"]
)
def test_a_line_that_only_resembles_the_delimiter_is_content(content):
    octets = b"x\r\n" + content + b"\r\ny"
    assert contents(payload(content=octets)) == [octets]


def test_a_delimiter_may_be_padded_with_blanks():
    body = multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", b"x")).replace(b"--B\r\n", b"--B \t\r\n")
    assert contents(read(body.replace(b"--B--\r\n", b"--B--  \r\n"))) == [b"x"]


@pytest.mark.parametrize(
    ("boundary", "parameter"),
    [
        ("--=_MIME-Boundary", '"--=_MIME-Boundary"'),
        ("-=5e65=-", '"-=5e65=-"'),
        ("----=_Part_1_2.3", '"----=_Part_1_2.3"'),
        ("a b", '"a b"'),
        ("B", "B"),
        ("a'()+_,-./:=?", '"a\'()+_,-./:=?"'),
    ],
)
def test_boundaries_of_every_peer_are_found(boundary, parameter):
    body = multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", b"x"), boundary=boundary)
    assert contents(read(body, f'multipart/related; type="text/xml"; boundary={parameter}')) == [b"x"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--B",
        b"--B\r\n",
        b"--B\r\n\r\nx",
        b"no boundary at all",
        multipart((ROOT_HEAD, ENVELOPE), end=""),
        multipart((ROOT_HEAD, ENVELOPE), end="\r\n"),
        multipart((ROOT_HEAD, ENVELOPE), end="-"),
        multipart((ROOT_HEAD, ENVELOPE), end="--x"),
        multipart((ROOT_HEAD, ENVELOPE))[: -len("--B--\r\n")],
    ],
)
def test_a_body_without_closing_boundary_is_refused(body):
    with pytest.raises(SoapFault, match="closing boundary"):
        read(body)


def test_a_closing_boundary_without_any_part_is_refused():
    with pytest.raises(SoapFault, match="no part"):
        read(b"--B--\r\n")


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "boundary=",
        'boundary=""',
        "boundary=" + "x" * 201,
        'boundary="a "',
        "boundary=é",
        "boundary=a; boundary=b",
    ],
)
def test_a_missing_or_impossible_boundary_is_refused(parameters):
    with pytest.raises(SoapFault):
        read(multipart((ROOT_HEAD, ENVELOPE)), f"multipart/related; {parameters}")


# --- body form 2: parameters and part headers ------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "note"),
    [
        ("boundary=B", "the multipart Content-Type has no type parameter"),
        ("boundary=B; type=text/xml", "the type parameter is not quoted"),
        ('boundary=B; type="text/xml"; charset="UTF-8"', "the multipart Content-Type has a charset"),
        ('boundary=B; type="text/xml"; start=root', "the start parameter has no angle brackets"),
        (
            'boundary=B; type="text/xml"; start="<no>"',
            "start names no part of the message; the first part is taken",
        ),
    ],
)
def test_a_tolerated_parameter_is_noted(parameters, note):
    package = read(multipart((ROOT_HEAD, ENVELOPE)), f"Multipart/Related; {parameters}")
    assert (package.envelope, package.notes) == (ENVELOPE, (note,))


def test_unknown_parameters_and_garbage_between_are_ignored():
    value = 'multipart/related; ;x; start-info="text/xml"; TYPE="text/xml"; a=";b=\\"";; Boundary=B;'
    assert read(multipart((ROOT_HEAD, ENVELOPE)), value).notes == ()


def test_a_folded_content_type_is_read():
    assert read(multipart((ROOT_HEAD, ENVELOPE)), 'multipart/related;\r\n type="text/xml";\r\n\tboundary=B')


def test_another_type_parameter_is_refused():
    with pytest.raises(SoapFault, match="type parameter"):
        read(multipart((ROOT_HEAD, ENVELOPE)), 'multipart/related; boundary=B; type="application/xop+xml"')


@pytest.mark.parametrize("start", ['"<root>"', "root", "<root>"])
def test_start_names_the_header_container_wherever_it_stands(start):
    body = multipart(("Content-ID: <p>\nContent-Type: a/b\n", b"first"), (ROOT_HEAD, ENVELOPE))
    package = read(body, f'multipart/related; type="text/xml"; boundary=B; start={start}')
    assert package.envelope == ENVELOPE
    assert package.envelope_content_id == "root"
    assert contents(package) == [b"first"]
    assert "start names a part that is not the first" in package.notes


def test_without_start_the_first_part_is_the_header_container():
    with pytest.raises(SoapFault, match="not text/xml"):
        read(multipart(("Content-ID: <p>\nContent-Type: a/b\n", b"first"), (ROOT_HEAD, ENVELOPE)))


def test_folded_part_headers_in_any_case_are_read():
    head = 'CONTENT-type: application/xml;\n name="a\n b"\ncontent-id:\n <p>\nX-Other: 1\nX-Other: 2\n'
    part = payload(head).parts[0]
    assert (part.content_id, part.content_type) == ("p", 'application/xml; name="a b"')


@pytest.mark.parametrize("spelled", ["Content-Id", "content-id", "CONTENT-ID"])
def test_the_spelling_of_content_id_is_noted(spelled):
    assert "Content-ID is spelled in another case" in payload(f"{spelled}: <p>\nContent-Type: a/b\n").notes


@pytest.mark.parametrize(
    ("written", "read_as"), [("<a@b>", "a@b"), ("a@b", "a@b"), ("<1>", "1"), ("<>", ""), ("<", "<")]
)
def test_a_content_id_is_read_with_and_without_brackets(written, read_as):
    assert payload(f"Content-ID: {written}\nContent-Type: a/b\n").parts[0].content_id == read_as


def test_parts_without_content_id_are_kept_and_noted():
    part = ("Content-Type: a/b\n", b"x")
    package = read(multipart((ROOT_HEAD, ENVELOPE), part, part))
    assert [each.content_id for each in package.parts] == ["", ""]
    assert package.notes == ("a part has no Content-ID",)


@pytest.mark.parametrize("content_id", ["<p>", "p", "<root>"])
def test_a_second_part_with_the_same_content_id_is_refused(content_id):
    part = (f"Content-ID: {content_id}\n", b"x")
    with pytest.raises(SoapFault, match="same Content-ID"):
        read(multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", b"x"), part))


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('attachment; filename="a.xml"', "a.xml"),
        ("attachment; filename=a.xml", "a.xml"),
        ("attachment; filename=null", None),
        ('attachment; filename="null"', None),
        ("attachment", None),
        ("attachment; filename=", None),
        ("attachment; filename*=UTF-8''%e2%82%ac.pdf", "€.pdf"),
        ('attachment; filename="../../etc/passwd"', "../../etc/passwd"),
        ('attachment; filename="a\\"b"', 'a"b'),
        ("attachment; boundary=a; boundary=b; filename=c", "c"),
        ("attachment; filename*=UTF-8''%00%0a", None),
        ("attachment; filename=" + "x" * 400, "x" * 255),
    ],
)
def test_the_file_name_is_metadata(disposition, filename):
    package = payload(f"Content-ID: <p>\nContent-Disposition: {disposition}\n")
    assert package.parts[0].filename == filename


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?caf=C3=A9?=", "café"),
        ("=?no-such?q?x?=", "=?no-such?q?x?="),
        ("=?utf-8?b?!!!?=", None),
        ("=?utf-7?q?+2AA-?=", "?"),
        ("", None),
    ],
)
def test_a_description_never_fails_to_decode(written, read_as):
    described = payload(f"Content-ID: <p>\nContent-Description: {written}\n").parts[0].description
    assert described == read_as


def test_a_made_up_media_type_stays_as_it_came():
    assert (
        payload("Content-ID: <p>\nContent-Type: application/octream\n").parts[0].content_type
        == "application/octream"
    )


@pytest.mark.parametrize("content_type", ["", "xml", "a/b/c", "a /b", "é/x"])
def test_an_unusable_media_type_is_octets(content_type):
    part = payload(f"Content-ID: <p>\nContent-Type: {content_type}\n").parts[0]
    assert part.content_type == "application/octet-stream"


@pytest.mark.parametrize(
    "head",
    [
        "no colon\n",
        ": no name\n",
        " begins folded: x\n",
        "a b: x\n",
        "é: x\n",
        "Content-ID: a\x00b\n",
        "Content-ID: a\rb\n",
        "Content-ID: <a>\nContent-Id: <b>\n",
        "Content-Type: a/b\nContent-Type: text/xml\n",
        "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: binary\n",
        "--B\n",
    ],
)
def test_broken_part_headers_are_refused(head):
    with pytest.raises(SoapFault, match="MIME package"):
        payload(head)


# --- transfer encodings ----------------------------------------------------------------------------


@pytest.mark.rule("DK-109")
@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary", "BINARY", ""])
def test_identity_encodings_leave_the_octets_alone(encoding):
    package = payload(f"Content-ID: <p>\nContent-Transfer-Encoding: {encoding}\n", b"\xff=20\r\n")
    assert contents(package) == [b"\xff=20\r\n"]


@pytest.mark.rule("DK-109")
@settings(deadline=None)
@given(octets=st.binary(max_size=200), cut=st.integers(1, 30))
def test_base64_is_undone_however_it_arrives(octets, cut):
    text = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    body = multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\nContent-Transfer-Encoding: Base64\n", text))
    package = in_pieces(body, [cut] * len(body))
    assert contents(package) == [octets]
    assert "a part comes as base64" in package.notes


@settings(deadline=None)
@given(octets=st.binary(max_size=200), cut=st.integers(1, 30))
def test_quoted_printable_is_undone_however_it_arrives(octets, cut):
    text = quopri.encodestring(octets).replace(b"\n", b"\r\n")
    body = multipart(
        (ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\nContent-Transfer-Encoding: quoted-printable\n", text)
    )
    package = in_pieces(body, [cut] * len(body))
    assert contents(package) == [quopri.decodestring(text)]


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        (b"a=\r\nb", b"ab"),
        (b"a=  \nb", b"ab"),
        (b"a \t\r\nb", b"a\r\nb"),
        (b"caf=c3=A9", "café".encode()),
        (b"end  ", b"end"),
        (b"end=", b"end"),
        (b"a  b", b"a  b"),
    ],
)
def test_quoted_printable_details(text, octets):
    package = payload("Content-ID: <p>\nContent-Transfer-Encoding: quoted-printable\n", text)
    assert contents(package) == [octets]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("base64", b"A"),
        ("base64", b"QUJD="),
        ("base64", b"QQ==QQ=="),
        ("base64", b"Q=Q="),
        ("base64", b"QUJ\x00"),
        ("base64", b"Q*I="),
        ("base64", b"-_-_"),
        ("quoted-printable", b"=4"),
        ("quoted-printable", b"=GG"),
        ("quoted-printable", b"a = b"),
        ("quoted-printable", b"a" + b" " * 10_000 + b"b"),
        ("uuencode", b"x"),
        ("x-gzip", b"x"),
    ],
)
def test_a_part_that_cannot_be_decoded_is_left_out_and_reported(encoding, text):
    head = f"Content-ID: <p>\nContent-Transfer-Encoding: {encoding}\n"
    body = multipart((ROOT_HEAD, ENVELOPE), (head, text))
    for package in (read(body), in_pieces(body, [500] * 100)):
        if text.startswith(b"a  ") and package.parts:
            continue  # A run of blanks that arrives whole needs no memory.
        assert package.parts == ()
        (problem,) = package.problems
        assert (problem.code, problem.location) == ("MimeProblem", "cid:p")


def test_a_header_container_that_cannot_be_decoded_is_refused():
    with pytest.raises(SoapFault, match="transfer encoding"):
        read(multipart((ROOT_HEAD + "Content-Transfer-Encoding: base64\n", b"<e/>")))


def test_a_header_container_in_base64_is_read():
    head = ROOT_HEAD + "Content-Transfer-Encoding: base64\n"
    assert read(multipart((head, base64.b64encode(ENVELOPE)))).envelope == ENVELOPE


# --- limits ----------------------------------------------------------------------------------------


@pytest.mark.rule("DK-125")
@pytest.mark.parametrize("limit", [{"max_total": 100}, {"max_part": 50}, {"max_envelope": 3}])
def test_what_is_too_large_is_413(limit):
    with pytest.raises(SoapFault) as caught:
        read(multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", b"x" * 60)), **limit)
    assert (caught.value.status, caught.value.bare) == (413, True)


def test_an_envelope_found_late_is_measured_too():
    body = multipart((ROOT_HEAD, b"x" * 60))
    with pytest.raises(SoapFault) as caught:
        read(body, RELATED + "; start=none", max_envelope=50)
    assert caught.value.status == 413


def test_thousands_of_parts_are_refused():
    parts = [("", b"")] * 5000
    with pytest.raises(SoapFault, match="more than 500"):
        read(multipart((ROOT_HEAD, ENVELOPE), *parts))


@pytest.mark.parametrize("head", ["X: " + "a" * 20_000 + "\n", "X: a\n" * 5000, "X: a\n" + " b\n" * 10_000])
def test_giant_part_headers_are_refused(head):
    with pytest.raises(SoapFault, match="headers of a part"):
        payload(head)


def test_a_header_line_without_end_is_refused_before_it_fills_memory():
    reader = PackageReader([("Content-Type", RELATED)], limits=Limits())
    reader.feed(b"--B\r\nX: ")
    with pytest.raises(SoapFault, match="headers of a part"):
        for _ in range(100):
            reader.feed(b"a" * 1000)


@pytest.mark.parametrize(
    "value",
    [
        "multipart/related; " + 'a="' * 5000,
        "multipart/related; a=" + " " * 20_000 + '"',
        "multipart/related; " + ";" * 20_000,
        "multipart/related; " + "a" * 20_000,
    ],
)
def test_a_hostile_content_type_is_refused_at_once(value):
    started = time.monotonic()
    with pytest.raises(SoapFault):
        read(b"", value)
    assert time.monotonic() - started < 1


def test_lines_that_nearly_are_delimiters_cost_no_more_than_others():
    started = time.monotonic()
    octets = b"\r\n--B" * 200_000 + b"x"
    body = multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", octets.replace(b"--B\r", b"--B \x01\r")))
    assert len(read(body).parts) == 1
    assert time.monotonic() - started < 5


def test_reading_and_writing_a_large_part_takes_bounded_memory(tmp_path):
    """32 MiB through a spooling reader and out again; a gigabyte differs only in time."""
    block = bytes(range(256)) * 256
    tracemalloc.start()
    reader = PackageReader(
        [("Content-Type", RELATED)], limits=Limits(), new_sink=lambda: SpoolSink(100_000, tmp_path)
    )
    reader.feed(multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", b""))[: -len("\r\n--B--\r\n")])
    for _ in range(512):
        reader.feed(block)
    reader.feed(b"\r\n--B--\r\n")
    package = reader.close()
    written = sum(
        len(chunk) for chunk in pack(b"<e/>", package.parts, boundary="C", envelope_id="e").chunks()
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert package.parts[0].content.size == 512 * len(block) < written
    assert peak < 2_000_000


# --- nothing stays behind --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", b"x" * 50), end=""),
        multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", b"x" * 50), ("Content-ID: <p>\n", b"y")),
        multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", b"x" * 50), ("no colon\n", b"y")),
        multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\nContent-Transfer-Encoding: x\n", b"x" * 50)),
        multipart(("Content-Type: a/b\n", b"x"), ("Content-ID: <p>\n", b"x" * 50)),
    ],
)
def test_a_refused_package_leaves_no_file(tmp_path, body):
    headers = [("Content-Type", RELATED)]
    with suppress(SoapFault):
        read_package(headers, body, new_sink=lambda: SpoolSink(10, tmp_path)).discard()
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_is_given_up_leaves_no_file(tmp_path):
    reader = PackageReader(
        [("Content-Type", RELATED)], limits=Limits(), new_sink=lambda: SpoolSink(10, tmp_path)
    )
    reader.feed(multipart((ROOT_HEAD, ENVELOPE), ("Content-ID: <p>\n", b"x" * 500), end=""))
    assert list(tmp_path.iterdir()) != []
    reader.discard()
    assert list(tmp_path.iterdir()) == []


# --- the same package however it arrives -----------------------------------------------------------


def in_pieces(body, sizes, content_type=RELATED):
    reader = PackageReader([("Content-Type", content_type)], limits=Limits())
    at = 0
    for size in sizes:
        reader.feed(body[at : at + size])
        at += size
    reader.feed(body[at:])
    return reader.close()


def outcome(body, sizes):
    try:
        package = in_pieces(body, sizes)
    except SoapFault as fault:
        return fault.text
    return package, [str(problem) for problem in package.problems]


def comparable(result):
    return (
        (result[0].envelope, result[0].parts, set(result[0].notes), result[1])
        if isinstance(result, tuple)
        else result
    )


FRAGMENTS = st.sampled_from(
    [
        b"--B",
        b"\r\n",
        b"\n",
        b"\r",
        b"--",
        b"-",
        b"B",
        b" ",
        b"\r\n--B\r\n",
        b"\r\n--B--\r\n",
        b"Content-ID: <p>\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"=",
        b"=4",
        b"QQ==",
        b"\x00",
        b"x",
    ]
)


@settings(deadline=None, max_examples=300)
@given(fragments=st.lists(FRAGMENTS, max_size=25), sizes=st.lists(st.integers(0, 9), max_size=60))
def test_any_body_gives_the_same_outcome_whole_byte_by_byte_and_in_pieces(fragments, sizes):
    body = b"--B\r\nContent-Type: text/xml\r\n\r\n<e/>\r\n--B\r\n" + b"".join(fragments)
    whole = comparable(outcome(body, []))
    assert comparable(outcome(body, [1] * len(body))) == whole
    assert comparable(outcome(body, sizes)) == whole


@settings(deadline=None)
@given(data=st.data())
def test_a_written_package_is_read_back_in_pieces(strategies, build, data):
    parts = data.draw(strategies.parts())
    packed = pack(b"<e/>", parts, boundary="b0undary4Tests9f2c", envelope_id="e@x")
    body = b"".join(packed.chunks())
    sizes = data.draw(st.lists(st.integers(1, 50), max_size=50))
    package = in_pieces(body, sizes, dict(packed.headers)["Content-Type"])
    assert (package.envelope, package.parts, package.notes) == (b"<e/>", parts, ())


# --- writing ---------------------------------------------------------------------------------------


@settings(deadline=None)
@given(data=st.data())
def test_the_email_parser_of_the_standard_library_reads_what_is_written(strategies, data):
    parts = data.draw(strategies.parts().filter(bool))
    packed = pack(b"<e/>", parts, boundary="b0undary4Tests9f2c", envelope_id="e@x")
    head = f"Content-Type: {dict(packed.headers)['Content-Type']}\r\n\r\n".encode()
    message = BytesParser(policy=email.policy.compat32).parsebytes(head + b"".join(packed.chunks()))
    root, *others = message.get_payload()
    assert message.get_param("type") == "text/xml"
    assert message.get_param("start") == root["Content-ID"] == "<e@x>"
    assert root.get_payload() == "<e/>"
    assert [other["Content-ID"] for other in others] == [f"<{part.content_id}>" for part in parts]
    ours = [part.content.open().read() for part in parts]
    if all(octets.isascii() and b"\r" not in octets.replace(b"\r\n", b"") for octets in ours):
        assert [other.get_payload(decode=True) for other in others] == ours


def test_a_message_without_parts_is_the_envelope_itself():
    packed = pack(b"<e/>", (), boundary="B", envelope_id="e")
    assert packed.headers == (("Content-Type", "text/xml; charset=UTF-8"), ("SOAPAction", '"ebXML"'))
    assert (packed.content_length, list(packed.chunks())) == (4, [b"<e/>"])


@pytest.mark.rule("DK-108", "DK-109", "DK-110", "DK-111")
def test_a_message_with_parts_is_written_as_the_strictest_peer_reads_it(build):
    packed = pack(b"<e/>", (build.part("p@x", b"<p/>"),), boundary="B0", envelope_id="e@x")
    assert packed.headers == (
        ("Content-Type", 'multipart/related; type="text/xml"; boundary="B0"; start="<e@x>"'),
        ("SOAPAction", '"ebXML"'),
    )
    assert b"".join(packed.chunks()) == (
        b"--B0\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-ID: <e@x>\r\n\r\n<e/>\r\n"
        b"--B0\r\nContent-Type: application/xml\r\nContent-ID: <p@x>\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n<p/>\r\n--B0--\r\n"
    )


def test_the_content_length_is_true_and_the_chunks_can_be_asked_for_again(build):
    packed = pack(
        b"<e/>", (build.part("a", b"x" * 200_000), build.part("b", b"")), boundary="B", envelope_id="e"
    )
    first, second = b"".join(packed.chunks()), b"".join(packed.chunks())
    assert first == second
    assert packed.content_length == len(first)


def test_header_lines_stay_short_enough_for_core(build):
    long = build.part("p", filename="é" * 250, description="é" * 800)
    body = b"".join(pack(b"<e/>", (long,), boundary="B", envelope_id="e").chunks())
    assert max(len(line) for line in body.split(b"\r\n")) <= 900


@pytest.mark.parametrize(
    ("changes", "boundary", "envelope_id"),
    [
        ({"content_id": "a\r\nX: y"}, "B", "e"),
        ({"content_id": ""}, "B", "e"),
        ({"content_id": "a b"}, "B", "e"),
        ({"content_id": "a%b"}, "B", "e"),
        ({"content_id": "e"}, "B", "e"),
        ({"content_type": "a/b\r\nX: y"}, "B", "e"),
        ({"content_type": "xml"}, "B", "e"),
        ({}, "B\r\n", "e"),
        ({}, "", "e"),
        ({}, "B", "e>"),
    ],
)
def test_nothing_is_written_that_could_break_a_header(build, changes, boundary, envelope_id):
    with pytest.raises(ValueError):
        pack(
            b"<e/>",
            (build.part(**({"content_id": "p"} | changes)),),
            boundary=boundary,
            envelope_id=envelope_id,
        )


def test_two_parts_with_one_content_id_are_never_written(build):
    with pytest.raises(ValueError, match="same Content-ID"):
        pack(b"<e/>", (build.part("p"), build.part("p")), boundary="B", envelope_id="e")


def test_a_file_name_cannot_break_out_of_its_header(build):
    part = build.part("p", filename='a"\r\nX: y', description="b\r\nX: y")
    body = b"".join(pack(b"<e/>", (part,), boundary="B", envelope_id="e").chunks())
    assert b"\r\nX" not in body
