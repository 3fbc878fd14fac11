"""Keeps secrets and buyers' data out of the variables of traceback frames, which error trackers collect.

Two means. A value that lives while other work goes on is carried as `Hidden`, whose repr does not show it. A function
that only reads, checks or writes such a value is `sealed`: its errors come without its own frames.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import attrs

__all__ = ["Hidden", "sealed", "sealed_init", "without_frames"]

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)
F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen
class Hidden(Generic[T]):
    """A value that its repr does not show, whichever variable holds it."""

    value: T = attrs.field(repr=False)


def sealed(function: F) -> F:
    """Wrap ``function`` so that the tracebacks of its errors have no frame of it or below, whose variables are secrets.

    For functions whose error messages are sufficient; the rest of the traceback stays.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            failure = _bare(error)
        del args, kwargs
        raise failure

    @functools.wraps(function)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:  # cancellation too: a time-out shows where it struck
            failure = _bare(error)
        del args, kwargs
        raise failure

    chosen: Any = call_async if inspect.iscoroutinefunction(function) else call
    return cast(F, chosen)


def sealed_init(cls: type[T]) -> type[T]:
    """A class of secrets whose constructor is ``sealed``: it refuses a value without showing the others."""
    setattr(cls, "__init__", sealed(cls.__init__))  # noqa: B010 - a plain assignment to it does not type-check
    return cls


def without_frames(error: E) -> E:
    """The error and its causes without frames. Their messages stay."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            waiting += [each.__cause__, each.__context__]
    return error


def _bare(error: BaseException) -> BaseException:
    """The error alone, without frames and causes."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
