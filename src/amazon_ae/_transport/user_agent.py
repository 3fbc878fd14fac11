"""The User-Agent header in the form that Amazon's APIs ask for. Pure.

Source: MWS developer guide, "User-Agent header"; the Selling Partner API guide asks for the same form.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Final

from amazon_ae._exceptions import ConfigurationError

__all__ = ["library_user_agent", "user_agent"]

_MAX_LENGTH: Final = 500


def library_user_agent(app_name: str | None, app_version: str | None) -> str:
    """The header of an application on this library; the library's own name and version by default.

    Raises:
        ConfigurationError: as ``user_agent``.
    """
    library = version("amazon-ae")
    language = f"Python/{sys.version_info.major}.{sys.version_info.minor}"
    return user_agent(
        app_name or "amazon-ae", app_version or library, language=language, Library=f"amazon-ae/{library}"
    )


def user_agent(app_name: str, app_version: str, *, language: str, **attributes: str) -> str:
    """``AppName/Version (Language=...; Key=Value)``, escaped as Amazon asks.

    Raises:
        ConfigurationError: an empty name or version, a character that no header can carry, or more than 500 characters.
    """
    raw = (app_name, app_version, language, *attributes, *attributes.values())
    for part in raw:
        if not part or not part.isascii() or not part.isprintable():
            raise ConfigurationError(f"User-Agent: {part!r} must be printable ASCII and not empty")
    pairs = {"Language": language, **attributes}
    inside = "; ".join(f"{_escape(key, '=')}={_escape(value, ');')}" for key, value in pairs.items())
    header = f"{_escape(app_name, '/')}/{_escape(app_version, '(')} ({inside})"
    if len(header) > _MAX_LENGTH:
        raise ConfigurationError(f"User-Agent: at most {_MAX_LENGTH} characters are allowed, this has {len(header)}")
    return header


def _escape(part: str, characters: str) -> str:
    for character in "\\" + characters:
        part = part.replace(character, "\\" + character)
    return part
