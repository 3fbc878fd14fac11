"""What a command is doing, for the person in front of the terminal. Pipes, logs and programs never see it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

__all__ = ["bar", "spinner"]


@contextlib.contextmanager
def spinner(what: str) -> Iterator[Callable[[str], object]]:
    """Show ``what`` on standard error while the block runs, if that is a terminal.

    Yields:
        A function that replaces the text. Without ``rich`` (``pip install 'amazon-ae[cli]'``) each text is a line.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        from rich.console import Console
    except ImportError:
        print(f"{what} ...", file=sys.stderr)
        yield lambda text: print(f"{text} ...", file=sys.stderr)
        return
    with Console(stderr=True).status(what) as status:
        yield status.update


@contextlib.contextmanager
def bar(total: float, unit: str) -> Iterator[Callable[[float], None] | None]:
    """Show how much of ``total`` is done, on standard error, if that is a terminal and ``rich`` is installed.

    Yields:
        A function that takes how much is done; ``None`` where nothing is shown.
    """
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        yield None
        return
    columns = (TextColumn("{task.completed:.0f} of {task.total:g} " + unit), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=total)

        def update(done: float) -> None:
            shown.update(task, completed=done)

        yield update
