"""A pytest plugin that tells at the end of a run what a conformance suite has shown, by rule.

It is loaded into every pytest run of whoever has the SDK, so it is a module of its own that imports
nothing of it: only where a conformance suite is collected is there anything to do.
"""

from __future__ import annotations

from typing import Any

__all__: list[str] = []

_KEY = "conformance"


def pytest_configure(config: Any) -> None:
    """Make the suite's marker known."""
    config.addinivalue_line(
        "markers", "conformance(*rules, since): a check of immutable's backend contract"
    )


def pytest_itemcollected(item: Any) -> None:
    """Mark the suite's checks, and let their reports tell rules and suite."""
    check = getattr(getattr(item, "function", None), _KEY, None)
    if check is not None:
        item.add_marker(_KEY)
        suite, _, _ = item.nodeid.rpartition("::")
        item.user_properties.append((_KEY, (suite, list(check.rules))))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print, for every suite, what passed, what failed, and what was not checked and why."""
    suites: dict[str, list[tuple[str, list[str], str]]] = {}
    for outcome, reports in terminalreporter.stats.items():
        for report in reports:
            for key, value in getattr(report, "user_properties", ()):
                # What was deselected is an item, and what only was set up has no outcome.
                if key == _KEY and outcome and hasattr(report, "when"):
                    suite, rules = value
                    suites.setdefault(suite, []).append((outcome, rules, _reason(report)))
    for suite, results in sorted(suites.items()):
        _tell(terminalreporter, suite.rpartition("::")[2], results)


def _reason(report: Any) -> str:
    """Return why a check was skipped: the last part of what pytest keeps of a skip."""
    found = report.longrepr
    text = str(found[2] if isinstance(found, tuple) else getattr(report, "wasxfail", ""))
    return text.removeprefix("Skipped: ").partition("] ")[2] or text


def _tell(terminal: Any, suite: str, results: list[tuple[str, list[str], str]]) -> None:
    counts: dict[str, int] = {}
    rules: dict[str, set[str]] = {}
    reasons: dict[str, set[str]] = {}
    for outcome, numbers, reason in results:
        counts[outcome] = counts.get(outcome, 0) + 1
        rules.setdefault(outcome, set()).update(numbers)
        if outcome == "skipped":
            reasons.setdefault(reason, set()).update(numbers)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in sorted(counts))
    terminal.write_sep("=", f"conformance: {suite}: {told}")
    for outcome in sorted(set(rules) - {"skipped"}):
        terminal.write_line(f"{outcome}: {_numbers(rules[outcome])}")
    for reason, unproven in sorted(reasons.items()):
        terminal.write_line(f"skipped: {_numbers(unproven)}: {reason}")


def _numbers(rules: set[str]) -> str:
    return " ".join(sorted(rules, key=lambda rule: (rule[0], int(rule[1:]))))
