"""The tree of exceptions is the one that its docstring draws."""

from __future__ import annotations

import inspect
import re

from bridge import errors


def test_the_docstring_draws_the_tree_that_the_code_has() -> None:
    drawn = []
    parents: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([│├└─ ]*)([A-Z]\w+)(?:\s|$)", line)
        if not found or not (line.startswith(("BridgeError", "├", "│", "└"))):
            continue
        depth = len(found[1]) // 4
        parents[depth] = found[2]
        drawn.append((found[2], parents.get(depth - 1, "Exception")))
    coded = [
        (name, cls.__bases__[0].__name__)
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.BridgeError)
    ]
    assert sorted(drawn) == sorted(coded)
