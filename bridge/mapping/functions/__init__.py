"""The functions of the mapping language, one module each. A mapping can name no others."""

from bridge.mapping.functions import (
    age,
    any_below,
    as_text,
    attachment,
    bsn,
    code_list,
    codes,
    count,
    digest,
    file_name,
    first,
    lookup,
    number,
    oin,
    pick,
    prefix,
    pseudonym,
    stuf_date,
    stuf_time,
    trim,
    truncate,
    uuid_of,
    yes_no,
)
from bridge.mapping.functions.base import Calculation, Conversion

CONVERSIONS: dict[str, Conversion] = {
    function.name: function
    for function in (
        as_text.FUNCTION,
        trim.FUNCTION,
        stuf_date.FUNCTION,
        stuf_time.FUNCTION,
        bsn.FUNCTION,
        oin.FUNCTION,
        number.FUNCTION,
        yes_no.FUNCTION,
        code_list.FUNCTION,
        codes.FUNCTION,
        prefix.FUNCTION,
        truncate.FUNCTION,
        file_name.FUNCTION,
        attachment.FUNCTION,
    )
}

CALCULATIONS: dict[str, Calculation] = {
    function.name: function
    for function in (
        age.FUNCTION,
        any_below.FUNCTION,
        count.FUNCTION,
        first.FUNCTION,
        lookup.FUNCTION,
        pick.FUNCTION,
        pseudonym.FUNCTION,
        uuid_of.FUNCTION,
        digest.FUNCTION,
    )
}

__all__ = ["CALCULATIONS", "CONVERSIONS"]
