"""Checking the User-Agent header: ``AppId/AppVersionId (Language=...; Key=Value)``.

Source: MWS developer guide, "Creating a User-Agent header". It is recommended, not required, so a plain ``curl/8.0``
passes; a header that begins the parenthesis must be right to its end. The wording of the error is Amazon's, shortened.
"""

from __future__ import annotations

import re
from typing import Final

from amazon_ae.testing._mws.wire import Refused

__all__ = ["check_user_agent"]

_LONGEST: Final = 500
# A backslash escapes itself anywhere, "/" in the name, "(" in the version, "=" in attribute names, ")" ";" in values.
_NAME: Final = r"(?:[^\\/]|\\[\\/])+"
_VERSION: Final = r"(?:[^\\(]|\\[\\(])+"
_ATTRIBUTE: Final = r"(?:[^\\=;)]|\\[\\=])+=(?:[^\\;)]|\\[\\;)])*"
_HEADER: Final = re.compile(rf"{_NAME}/{_VERSION} \({_ATTRIBUTE}(?:; *{_ATTRIBUTE})*\)")


def check_user_agent(header: str) -> None:
    """Raises ``Refused`` for a header that breaks the documented form."""
    if "(" not in header:
        return
    if len(header) > _LONGEST:
        raise Refused(
            400,
            "UserAgentHeaderMaximumLengthExceeded",
            f"The MWS User-Agent header is longer than {_LONGEST} characters",
        )
    if not _HEADER.fullmatch(header):
        raise Refused(
            400,
            "UserAgentHeaderMalformed",
            'Problem with required MWS User-Agent header (e.g. "MyAppName/build123 (Language=Java/1.2)")',
        )
    if not re.search(r"[(;] *Language=", header):
        raise Refused(
            400, "UserAgentHeaderLanguageAttributeMissing", "The MWS User-Agent header needs a Language attribute"
        )
