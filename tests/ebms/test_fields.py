"""MIME header fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ebms.fields import (
    is_writable_type,
    parse_media_type,
    read_part_head,
    unfold,
    without_brackets,
    write_filename,
    write_words,
)
from bridge.errors import SoapFault


def test_a_media_type_is_taken_apart():
    media_type = parse_media_type('Text/XML; Charset="utf-8"; a=b c; charset=other')
    assert (media_type.essence, media_type.parameters) == ("text/xml", {"charset": "utf-8", "a": "b c"})


@pytest.mark.parametrize(
    "value", ["", "text", "/xml", "text/", "text/x y", "a/b; boundary=1; boundary=2", "a/" + "b" * 5000]
)
def test_what_is_no_media_type_is_a_value_error(value):
    with pytest.raises(ValueError):
        parse_media_type(value)


def test_a_parameter_that_needs_quotes_and_has_none_is_told():
    media_type = parse_media_type('multipart/related; type=text/xml; start="<a>"; boundary=b')
    assert media_type.bare == {"type"}


@pytest.mark.parametrize(
    ("value", "good"),
    [("a/b", True), ('a/b; c="d"', True), ("a/b\r\nX: y", False), ("é/b", False), ("ab", False)],
)
def test_only_a_plain_media_type_is_written(value, good):
    assert is_writable_type(value) is good


def test_a_fold_becomes_a_blank():
    assert unfold("a;\r\n\t b;\n c") == "a; b; c"


@pytest.mark.parametrize(("value", "bare"), [("<a@b>", "a@b"), ("< a >", "a"), ("a", "a"), ("<a", "<a")])
def test_brackets_are_taken_off(value, bare):
    assert without_brackets(value) == bare


@given(data=st.data())
def test_file_name_and_description_are_read_back(strategies, data):
    name, text = data.draw(strategies.texts()), data.draw(strategies.texts())
    lines = [
        f"Content-Disposition: attachment; {write_filename(name)}".encode(),
        f"Content-Description: {write_words(text)}".encode(),
    ]
    head = read_part_head(lines, lambda note: None)
    assert (head.filename, head.description) == (None if name == "null" else name, text)


@given(lines=st.lists(st.binary(min_size=1, max_size=80), max_size=6))
def test_any_header_lines_end_in_a_head_or_a_fault(lines):
    try:
        head = read_part_head(lines, lambda note: None)
    except SoapFault as fault:
        assert fault.text
        return
    assert head.content_type
