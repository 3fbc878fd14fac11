"""Serve an ASGI application on loopback, in this event loop or in a thread, and stop at once.

It needs the extra ``sandbox`` (uvicorn).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uvicorn import Server

__all__ = ["AsgiApp", "Message", "Receive", "Scope", "Send", "drop_connection", "serve", "serve_in_thread"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# Under this name the scope holds a function that closes the request's connection; ASGI itself has no word for it.
_DROP = "amazon_ae.drop"


@contextlib.asynccontextmanager
async def serve(app: AsgiApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve ``app`` while the block runs: ``async with serve(site) as origin``.

    Leaving the block ends every request that is still under way, also one that hangs, and takes about 0.2 seconds.
    The answers carry no ``Date`` of the server's: an application on a clock of its own sends its own.

    Args:
        port: 0 takes a free one.

    Yields:
        the origin, e.g. ``"http://127.0.0.1:40123"``. It already accepts connections.

    Raises:
        ModuleNotFoundError: uvicorn is missing; the message has the command that gets it.
        OSError: the address may not be used, or is in use; the message names host and port.
    """
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"serve needs {error.name}: pip install 'amazon-ae[sandbox]'", name=error.name
        ) from error

    class QuietServer(uvicorn.Server):
        """Leaves the process's signal handlers alone: they are the host's."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    stoppable = _Stoppable(app)
    config = uvicorn.Config(
        stoppable,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    server = QuietServer(config)
    stoppable.server = server
    listener = _listen(host, port)
    origin = f"http://{host}:{listener.getsockname()[1]}"
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not running.done():  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.005)
        if running.done():
            await running
        yield origin
    finally:
        stoppable.stop()
        server.should_exit = server.force_exit = True
        await running


@contextlib.contextmanager
def serve_in_thread(app: AsgiApp, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The same from a thread with an event loop of its own: ``with serve_in_thread(site) as origin``.

    Use it where the program under test would slow the server down, in a benchmark for one.
    """
    origins: list[str] = []
    failures: list[BaseException] = []
    ready = threading.Event()
    loop_and_stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        loop_and_stop.append((asyncio.get_running_loop(), stop))
        async with serve(app, host=host, port=port) as origin:
            origins.append(origin)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # raised in the caller's thread below
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="amazon-ae-serve", daemon=True)
    thread.start()
    ready.wait()
    try:
        if failures:
            raise failures[0]
        yield origins[0]
    finally:
        if thread.is_alive():
            loop, stop = loop_and_stop[0]
            loop.call_soon_threadsafe(stop.set)
        thread.join()


async def drop_connection(scope: Scope, receive: Receive) -> None:
    """Close this request's connection: what was sent so far still arrives, nothing else does.

    Behind another server than ``serve`` it does nothing; returning then makes that server answer 500.
    """
    drop = scope.get(_DROP)
    if drop is not None and drop():
        while (await receive())["type"] != "http.disconnect":
            pass


class _Stoppable:
    """Passes requests on, and can end all that are under way without a word in the server's log."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_stopping = False
        self.server: Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        scope[_DROP] = lambda: self._drop(scope.get("client"))
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
        finally:
            self._tasks.discard(task)

    def stop(self) -> None:
        """End every request and close every connection."""
        self._is_stopping = True
        for connection in list(self.server.server_state.connections) if self.server else ():
            connection.transport.abort()
        for task in self._tasks:
            task.cancel()

    def _drop(self, client: tuple[str, int] | None) -> bool:
        for connection in list(self.server.server_state.connections) if self.server else ():
            if getattr(connection, "client", None) == client:
                connection.transport.close()
                return True
        return False


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener
