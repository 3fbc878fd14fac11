"""What an error tracker collects: every variable of every frame of an error and of all that it came from."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

__all__ = ["collected", "variables"]


def variables(error: BaseException) -> str:
    """Every variable and message. Frames of tests are left out: they hold the secrets that are looked for."""
    return "\n".join(_frames(traceback.TracebackException.from_exception(error, capture_locals=True)))


def collected(error: BaseException) -> str:
    """The same, and the traceback as it is printed, with the lines of code of tests too."""
    return variables(error) + "\n" + "".join(traceback.format_exception(error, chain=True))


def _frames(part: traceback.TracebackException | None) -> Iterator[str]:
    """Suppressed contexts are walked too: some trackers do not ask whether they are suppressed."""
    if part is None:
        return
    for frame in part.stack:
        if "tests" not in Path(frame.filename).parts:
            yield f"{frame.filename}:{frame.lineno} {frame.name} {frame.locals}"
    yield "".join(part.format_exception_only())
    yield from _frames(part.__cause__)
    yield from _frames(part.__context__)
    for inner in part.exceptions or ():
        yield from _frames(inner)
