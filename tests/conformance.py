"""Which test proves which checklist line: `pytest --conformance docs/conformance.md` writes the list.

A test names its lines with `@pytest.mark.rule("DK-24")`. The titles are in `conformance_rules.toml`; a line that no
test proves needs a reason in `conformance_open.toml`.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_PROPERTY = "rules"
_OUTCOMES = {"passed": "proven", "skipped": "skipped", "failed": "FAILED"}

_Proofs = dict[str, dict[str, str]]
"""Rule → test → outcome."""

_PROOFS = pytest.StashKey[_Proofs]()


def titles() -> dict[str, str]:
    """Every rule with its title, in order."""
    tables = tomllib.loads((HERE / "conformance_rules.toml").read_text(encoding="utf-8"))
    return {
        f"{standard}-{number}": title for standard, table in tables.items() for number, title in table.items()
    }


def reasons() -> dict[str, str]:
    """The rules that are open on purpose, and why."""
    return tomllib.loads((HERE / "conformance_open.toml").read_text(encoding="utf-8"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--conformance", type=Path, metavar="FILE", help="write which test proves which checklist line"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_PROOFS] = defaultdict(dict)
    config.pluginmanager.register(_Recorder(config), "conformance recorder")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The markers travel with the reports, since with several processes only these reach the first one."""
    for item in items:
        rules = sorted({rule for mark in item.iter_markers("rule") for rule in mark.args})
        if rules:
            item.user_properties.append((_PROPERTY, rules))


def pytest_sessionfinish(session: pytest.Session) -> None:
    target = session.config.getoption("--conformance")
    if target is not None and not hasattr(session.config, "workerinput"):
        target.write_text(render(titles(), session.config.stash[_PROOFS], reasons()), encoding="utf-8")


class _Recorder:
    def __init__(self, config: pytest.Config) -> None:
        self._proofs = config.stash[_PROOFS]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        for name, rules in report.user_properties:
            for rule in rules if name == _PROPERTY and isinstance(rules, list | tuple) else ():
                self._proofs[rule][report.nodeid] = report.outcome


def render(
    rules: Mapping[str, str], proofs: Mapping[str, Mapping[str, str]], opened: Mapping[str, str]
) -> str:
    """The page, in Markdown."""
    proven = [rule for rule in rules if "passed" in proofs.get(rule, {}).values()]
    lines = [
        "# Conformance",
        "",
        "Written by `pytest --conformance docs/conformance.md`: every line of the two checklists (DK: Digikoppeling",
        "ebMS2, SOH: the hub and its events), the tests that prove it, and how they ended. Parametrised cases of one",
        "test are counted together.",
        "",
        f"{len(proven)} of {len(rules)} lines are proven by a test.",
        "",
        "| line | asks | proof |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {rule} | {title} | {_proof(rule, proofs, opened)} |" for rule, title in rules.items()]
    return "\n".join(lines) + "\n"


def _proof(rule: str, proofs: Mapping[str, Mapping[str, str]], opened: Mapping[str, str]) -> str:
    found = proofs.get(rule, {})
    if not found:
        return f"**open**: {opened.get(rule, 'no test names it, and no reason is given')}"
    told = [f"`{test}` {_ending(outcomes)}" for test, outcomes in sorted(_together(found).items())]
    reason = f" **partly open**: {opened[rule]}" if rule in opened else ""
    return "<br>".join(told) + reason


def _together(found: Mapping[str, str]) -> dict[str, list[str]]:
    """Outcomes by test function."""
    together: dict[str, list[str]] = defaultdict(list)
    for node, outcome in found.items():
        together[node.partition("[")[0]].append(outcome)
    return together


def _ending(outcomes: Iterable[str]) -> str:
    seen = sorted(set(outcomes))
    return ", ".join(_OUTCOMES.get(outcome, outcome) for outcome in seen)
