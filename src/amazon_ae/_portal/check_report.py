"""The report of ``check()``: one line per entry of the site map."""

from __future__ import annotations

import textwrap
from enum import StrEnum

import attrs

__all__ = ["CheckReport", "CheckStep", "Verdict"]


class Verdict(StrEnum):
    """The result of one line of the report."""

    FITS = "fits"
    MISSING = "MISSING"  # the site map is wrong here
    FAILED = "FAILED"  # another obstacle: a challenge, a permission, the site
    SKIPPED = "not looked for"


@attrs.frozen(kw_only=True)
class CheckStep:
    """One entry of the site map, or one attempt.

    Attributes:
        page: the page, e.g. ``"e-mail"`` or ``"order page"``.
        key: the argument of ``SITE.override``, e.g. ``"selectors['label_link']"``; ``""`` for an attempt.
        found: the selector or path that fits.
        detail: the reason, what the page has instead, or why the entry was not checked; never a text of the page.
        override: the call that may correct it, where a similar element was found.
        picture: for a miss, a PNG of the page without text.
    """

    page: str
    key: str
    verdict: Verdict
    found: str = ""
    detail: str = ""
    override: str = ""
    picture: bytes | None = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen
class CheckReport:
    """All lines: first the checked entries in their order, then the others. ``str(report)`` is for people."""

    steps: tuple[CheckStep, ...]

    @property
    def ok(self) -> bool:
        """Whether every checked entry was found and there was no obstacle."""
        return not self.troubles

    @property
    def troubles(self) -> tuple[CheckStep, ...]:
        """What is missing or failed, the first cause first."""
        return tuple(step for step in self.steps if step.verdict in (Verdict.MISSING, Verdict.FAILED))

    @property
    def pictures(self) -> dict[str, bytes]:
        """The pictures of the pages with a miss, by page: PNG bytes to keep beside the report."""
        return {step.page: step.picture for step in self.steps if step.picture is not None}

    def __str__(self) -> str:
        seen = [step for step in self.steps if step.verdict is not Verdict.SKIPPED]
        names = [f"{step.page}: {step.key}" if step.key else step.page for step in seen]
        width = min(max(map(len, names), default=0), 60)
        lines: list[str] = []
        for step, name in zip(seen, names, strict=True):
            said = "; ".join(text for text in (step.found, step.detail) if text)
            lines.append(f"{step.verdict.value:<8} {name:<{width}}  {said}".rstrip())
            if step.override:
                lines.append(f"{'':<8} try {step.override}")
            if step.picture is not None:
                lines.append(f"{'':<8} see report.pictures[{step.page!r}]")
        reasons: dict[str, list[str]] = {}
        for step in self.steps:
            if step.verdict is Verdict.SKIPPED:
                reasons.setdefault(step.detail, []).append(step.key)
        for reason, keys in reasons.items():
            lines.append(f"not looked for, because {reason}:")
            lines.extend(textwrap.wrap(", ".join(keys), 110, initial_indent="    ", subsequent_indent="    "))
        counts = {verdict: sum(step.verdict is verdict for step in self.steps) for verdict in Verdict}
        lines.append(", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count))
        return "\n".join(lines)
