"""Money: a decimal amount and its currency, never a float."""

from __future__ import annotations

from decimal import Decimal

import attrs

__all__ = ["Money"]


@attrs.frozen
class Money:
    """An amount in one currency (ISO 4217), exactly as Amazon wrote it."""

    amount: Decimal
    currency: str
