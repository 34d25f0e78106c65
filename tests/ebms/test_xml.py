"""The hardened parser: what it refuses, in which encodings it reads, and the times of XML."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.ebms.xml import (
    XmlLimits,
    XmlProblem,
    format_time,
    has_zone,
    parse_time,
    parse_xml,
    raw_text_of,
    text_of,
)

LAUGHS = b"""<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;">
<!ENTITY z "&y;&y;&y;&y;&y;&y;&y;&y;&y;&y;">]><a b="&z;">&z;</a>"""


@pytest.mark.parametrize(
    "octets",
    [
        b"<!DOCTYPE a><a/>",
        b"<?xml version='1.0'?>\n<!-- one --><?two?> <!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        b"\xef\xbb\xbf<!DOCTYPE a [<!ENTITY e SYSTEM 'http://127.0.0.1/'>]><a>&e;</a>",
        "<!DOCTYPE a><a/>".encode("utf-16"),
        b"<!doctype html><html/>",
        LAUGHS,
    ],
)
def test_a_doctype_is_refused_wherever_it_stands(octets):
    with pytest.raises(XmlProblem, match="DOCTYPE"):
        parse_xml(octets)


def test_the_word_doctype_in_a_comment_or_text_is_no_doctype():
    octets = b"<!-- <!DOCTYPE a> --><?p <!DOCTYPE a>?><a><![CDATA[<!DOCTYPE a>]]></a>"
    assert text_of(parse_xml(octets)) == "<!DOCTYPE a>"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"   ",
        b"text",
        b"<!-- never closed",
        b"<?never closed",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a>&undeclared;</a>",
        b"<a>\x00</a>",
        b"<a/>\x00",
        b"<a b='1' b='2'/>",
        b"<p:a/>",
        b"<a>\xff</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a>&#0;</a>",
        b"<a>&#xD800;</a>",
    ],
)
def test_what_is_not_well_formed_is_refused(octets):
    with pytest.raises(XmlProblem, match="not well-formed"):
        parse_xml(octets)


def test_the_problem_never_quotes_the_document():
    with pytest.raises(XmlProblem) as caught:
        parse_xml(b"<geheim><naam>999990019</geheim>")
    assert "geheim" not in str(caught.value)
    assert "999990019" not in str(caught.value)


def test_deep_nesting_is_refused():
    with pytest.raises(XmlProblem, match="deeper"):
        parse_xml(b"<a>" * 201 + b"</a>" * 201)


@pytest.mark.parametrize("depth", [10_000, 300_000])
def test_very_deep_nesting_ends_at_once(depth):
    started = time.monotonic()
    with pytest.raises(XmlProblem):
        parse_xml(b"<a>" * depth)
    assert time.monotonic() - started < 5


def test_many_attributes_are_refused():
    attributes = b" ".join(b'a%d=""' % number for number in range(50_000))
    with pytest.raises(XmlProblem, match="attributes"):
        parse_xml(b"<a " + attributes + b"/>")


def test_much_markup_is_refused_before_it_is_parsed():
    with pytest.raises(XmlProblem, match="markup"):
        parse_xml(b"<a>" + b"<b/>" * 100 + b"</a>", limits=XmlLimits(max_markup=50))


def test_a_document_above_the_limit_is_refused():
    with pytest.raises(XmlProblem, match="larger than 10"):
        parse_xml(b"<a>12345678</a>", limits=XmlLimits(max_octets=10))


def test_a_long_text_is_read_when_the_limit_allows_it():
    octets = b"<a>" + b"x" * 11_000_000 + b"</a>"
    root = parse_xml(octets, limits=XmlLimits(max_octets=20_000_000))
    assert len(text_of(root)) == 11_000_000


@pytest.mark.rule("DK-108")
@pytest.mark.parametrize(
    ("octets", "charset"),
    [
        ("<a>é</a>".encode(), None),
        ("<a>é</a>".encode(), "UTF-8"),
        ("<a>é</a>".encode(), '"utf-8"'.strip('"')),
        ("\ufeff<a>é</a>".encode(), None),
        ("<?xml version='1.0' encoding='UTF-8'?><a>é</a>".encode(), None),
        ("<?xml version='1.0' encoding='UTF-16'?><a>é</a>".encode(), "utf-8"),
        ("<?xml version='1.0' encoding='US-ASCII'?><a>é</a>".encode(), "utf-8"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>".encode("latin-1"), None),
        ("<?xml version='1.0' encoding='UTF-8'?><a>é</a>".encode("latin-1"), "iso-8859-1"),
        ("<?xml version='1.0' encoding='windows-1252'?><a>é</a>".encode("cp1252"), None),
        ("<?xml version='1.0' encoding='UTF-16'?><a>é</a>".encode("utf-16"), None),
        ("<a>é</a>".encode("utf-16"), "utf-16"),
        ("<a>é</a>".encode("utf-16-be"), "UTF-16BE"),
    ],
)
def test_the_charset_wins_over_the_declaration(octets, charset):
    assert text_of(parse_xml(octets, charset=charset)) == "é"


@pytest.mark.parametrize(
    ("octets", "charset"),
    [
        ("<a>é</a>".encode("utf-16-le"), None),
        ("<a>é</a>".encode("utf-16-be"), "utf-16"),
        (b"<?xml version='1.0' encoding='UTF-16'?><a/>", None),
        ("<a>é</a>".encode(), "us-ascii"),
        ("<a>é</a>".encode("latin-1"), "utf-8"),
        (b"+ADw-a/+AD4-", "utf-7"),
        (b"<a/>", "no-such-charset"),
        (b"<a/>", "base64"),
        (b"<?xml version='1.0' encoding='EBCDIC-CP-NL'?><a/>", None),
        (b"<a/>", "utf-8\x00"),
    ],
)
def test_octets_in_another_charset_than_they_say_are_refused(octets, charset):
    with pytest.raises(XmlProblem):
        parse_xml(octets, charset=charset)


def test_comments_instructions_cdata_and_white_space_stay():
    octets = b"<a> <!--c--><?p i?>\n<b><![CDATA[<x>]]></b>\t</a>"
    assert etree.tostring(parse_xml(octets)) == octets


def test_text_on_both_sides_of_a_comment_is_one_value():
    assert text_of(parse_xml(b"<a>  admin<!-- cut here -->.example \n</a>")) == "admin.example"


def test_trimming_takes_xml_white_space_only():
    assert text_of(parse_xml("<a> \u00a0x\u2003 </a>".encode())) == "\u00a0x\u2003"


def test_raw_text_is_not_trimmed():
    assert raw_text_of(parse_xml(b"<a> x </a>")) == " x "


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20T10:00:00.123+01:00", datetime(2026, 11, 20, 9, 0, 0, 123000, UTC)),
        ("2019-05-04T20:55:16Z", datetime(2019, 5, 4, 20, 55, 16, tzinfo=UTC)),
        ("2019-05-04T20:55:16", datetime(2019, 5, 4, 20, 55, 16, tzinfo=UTC)),
        ("2019-05-04T20:55:16.1234567-05:30", datetime(2019, 5, 5, 2, 25, 16, 123456, UTC)),
        ("2019-12-31T24:00:00Z", datetime(2020, 1, 1, tzinfo=UTC)),
        ("2000-01-01T00:00:00+14:00", datetime(1999, 12, 31, 10, tzinfo=UTC)),
    ],
)
def test_an_xs_datetime_is_read_as_utc(text, moment):
    assert parse_time(text) == moment
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Tue Jul 10 20:01:14 HKT 2007",
        "2026-11-20",
        "2026-11-20 10:00:00Z",
        "2026-13-20T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "2026-11-20T24:00:01Z",
        "2026-11-20T10:00:60Z",
        "2026-11-20T10:00:00+15:00",
        "2026-11-20T10:00:00+01:60",
        "2026-11-20T10:00:00+0100",
        "-0001-11-20T10:00:00Z",
        "0000-11-20T10:00:00Z",
        "12026-11-20T10:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T24:00:00Z",
        "٢٠٢٦-11-20T10:00:00Z",
        "2026-11-20T10:00:00Z\n",
    ],
)
def test_what_is_no_xs_datetime_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_time(text)


@pytest.mark.parametrize(("text", "zoned"), [("2026-11-20T10:00:00", False), ("2026-11-20T10:00:00Z", True)])
def test_a_missing_zone_is_seen(text, zoned):
    assert has_zone(text) is zoned


@given(data=st.data())
def test_a_written_time_is_read_back(strategies, data):
    moment = data.draw(strategies.times())
    assert parse_time(format_time(moment)) == moment


@settings(deadline=None)
@given(
    octets=st.binary(max_size=300), charset=st.none() | st.sampled_from(["utf-8", "utf-16", "latin-1", "x"])
)
def test_any_octets_end_in_a_tree_or_a_problem(octets, charset):
    try:
        root = parse_xml(octets, charset=charset)
    except XmlProblem:
        return
    assert etree.iselement(root)


@settings(deadline=None)
@given(text=st.text(st.sampled_from("<>!?-[]&;#x=\"' aDOCTYPE/"), max_size=60))
def test_any_markup_ends_in_a_tree_without_doctype_or_a_problem(text):
    try:
        root = parse_xml(b"<a/>" if not text else text.encode())
    except XmlProblem:
        return
    assert root.getroottree().docinfo.internalDTD is None
