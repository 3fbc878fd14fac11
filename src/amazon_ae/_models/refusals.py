"""Classifies refusals in Amazon's reports: a passing fault of Amazon's own, or a repetition. Pure.

Codes are opaque (no list is published), so Amazon's text decides, and the few codes that public bug reports name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import ItemOutcome, Outcome

__all__ = ["RetryBudget", "is_repetition", "may_pass"]

# 5001 as public bug reports quote it ("system error, submit again"): UNVERIFIED.
_PASSING_CODES: Final = frozenset(
    {"5001", "500", "503", "internalerror", "internalfailure", "internalservererror", "serviceunavailable"}
    | {"requestthrottled", "throttled", "toomanyrequests"}
)
_FAULT: Final = re.compile(
    r"(?:system|server|internal(?: server)?) (?:error|failure|fault|problem|exception)|internalerror|throttled"
    r"|service (?:is )?(?:currently |temporarily )?unavailable",
    re.IGNORECASE,
)
_SUBMIT_AGAIN: Final = re.compile(
    r"\b(?:re-?submit|submit (?:\w+ ){0,3}again|try again|re-?send|retry)\b|temporar|\btimed?[ -]?out\b|\blater\b"
    r"|at this time|(?:technical|unexpected) (?:error|difficult|problem|issue)",
    re.IGNORECASE,
)
# "Correct the SKU and submit again" is a refusal of the value.
_CORRECT_IT: Final = re.compile(
    r"\b(?:correct|fix|change|edit|verify|check|valid|invalid|modify|update|remove|provide|specify|missing|required)\b"
    r"|\b(?:must|restricted|blocked|suppressed|not (?:allowed|authorized|eligible|permitted))\b",
    re.IGNORECASE,
)
_REPETITION_CODES: Final = frozenset({"5000"})
_REPETITION: Final = re.compile(
    r"\bidentical to\b|\bskipped\b.*\b(?:same|identical|equal|already)\b|\b(?:same|identical|equal)\b.*\bskipped\b",
    re.IGNORECASE | re.DOTALL,
)


def may_pass(code: str, text: str) -> bool:
    """Whether the same value may be accepted later: Amazon names a fault of its own."""
    if code.lower() in _PASSING_CODES or _FAULT.search(text):
        return True
    return bool(_SUBMIT_AGAIN.search(text)) and not _CORRECT_IT.search(text)


def is_repetition(code: str, text: str) -> bool:
    """Whether the value was passed over because an earlier feed brought the same one: Amazon has it."""
    return code in _REPETITION_CODES or bool(_REPETITION.search(text))


class RetryBudget:
    """Bounds how often one item is sent again after reports that left it open.

    Kept in memory per gateway, so the bound holds per process and begins again after a restart.

    Args:
        limit: attempts in a row that may end as ``RETRY``; the next one is a dead letter. At least 1.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ConfigurationError(f"a retry budget allows at least 1 attempt, not {limit}")
        self._limit = limit
        self._attempts: dict[str, int] = {}

    def apply(self, outcomes: Sequence[ItemOutcome]) -> tuple[ItemOutcome, ...]:
        """The outcomes, with those beyond the limit as ``REJECTED``: they become dead letters."""
        return tuple([self._one(outcome) for outcome in outcomes])

    def forget(self, keys: Iterable[str]) -> None:
        """These begin anew: something was said about them."""
        for key in keys:
            self._attempts.pop(key, None)

    def _one(self, outcome: ItemOutcome) -> ItemOutcome:
        if outcome.outcome is not Outcome.RETRY:
            self._attempts.pop(outcome.key, None)
            return outcome
        attempts = self._attempts.get(outcome.key, 0) + 1
        if attempts <= self._limit:
            self._attempts[outcome.key] = attempts
            return outcome
        del self._attempts[outcome.key]
        text = f"{outcome.message} (so {attempts} times in a row)"
        return attrs.evolve(outcome, outcome=Outcome.REJECTED, message=text)
