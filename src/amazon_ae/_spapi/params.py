"""From Python values to query parameters. Pure."""

from __future__ import annotations

from amazon_ae._transport.parameters import Params, Value, instant_text, parameter_text

__all__ = ["Params", "Value", "flat", "instant_text"]


def flat(params: Params) -> list[tuple[str, tuple[str, ...]]]:
    """Names with their values as text; ``None`` and empty lists are left out.

    Raises:
        ConfigurationError: a value that cannot be sent; the message names its parameter.
    """
    found = []
    for name, value in params.items():
        listed = list(value) if isinstance(value, (list, tuple)) else [value]
        if values := tuple(parameter_text(name, each) for each in listed if each is not None):
            found.append((name, values))
    return found
