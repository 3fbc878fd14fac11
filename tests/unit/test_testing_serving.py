"""Serving an application on loopback, and stopping at once."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from amazon_ae.testing._serving import drop_connection, serve, serve_in_thread


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the path; hangs at ``/hang``; is cut at ``/cut``; says nothing at ``/drop``."""
    path = scope["path"]
    if path == "/hang":
        await asyncio.Event().wait()
    if path == "/drop":
        await drop_connection(scope, receive)
        return
    length = b"1000" if path == "/cut" else str(len(path)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": path.encode(), "more_body": path == "/cut"})
    if path == "/cut":
        await drop_connection(scope, receive)


async def test_it_answers_while_the_block_runs_and_not_after() -> None:
    """On an address of its own, without a ``Date`` that the application did not send."""
    async with serve(hello) as first, serve(hello) as second, httpx.AsyncClient() as http:
        assert first != second
        answer = await http.get(f"{first}/a")
        assert (answer.text, "date" in answer.headers, "server" in answer.headers) == ("/a", False, False)
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as http:
            await http.get(first)


async def test_hanging_requests_do_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """They end with it, long before their own time-out, and nothing is logged as an error."""
    async with httpx.AsyncClient(timeout=20) as http:
        async with serve(hello) as origin:
            hanging = [asyncio.create_task(http.get(f"{origin}/hang")) for _ in range(5)]
            await http.get(f"{origin}/a")
            await asyncio.sleep(0.05)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        outcomes = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(outcome, httpx.TransportError) for outcome in outcomes)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_connections_can_be_dropped_before_and_within_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    """No byte, or half of the body; the server does not call it an error."""
    async with serve(hello) as origin, httpx.AsyncClient() as http:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            await http.get(f"{origin}/drop")
        with pytest.raises(httpx.RemoteProtocolError, match="received 4 bytes, expected 1000"):
            await http.get(f"{origin}/cut")
        assert (await http.get(f"{origin}/a")).text == "/a"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_the_hosts_signal_handlers_stay() -> None:
    """Ctrl-C belongs to the host."""
    before = signal.getsignal(signal.SIGINT)
    async with serve(hello):
        assert signal.getsignal(signal.SIGINT) is before


async def test_an_error_in_the_block_comes_out_of_it() -> None:
    """And the server is gone."""
    with pytest.raises(LookupError, match="mine"):
        async with serve(hello) as origin:
            raise LookupError("mine")
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(origin)


async def test_a_taken_port_is_an_os_error() -> None:
    """At once, with nothing left behind; the message names host and port."""
    async with serve(hello) as origin:
        with pytest.raises(OSError, match=f"cannot listen on {origin.removeprefix('http://')}: "):
            async with serve(hello, port=int(origin.rsplit(":", 1)[1])):
                pass


def test_a_thread_serves_a_program_without_a_loop() -> None:
    """And is gone afterwards, also with a hanging request."""
    threads = threading.active_count()
    with serve_in_thread(hello) as origin, httpx.Client() as http:
        assert http.get(f"{origin}/a").text == "/a"
        with pytest.raises(httpx.ReadTimeout):
            http.get(f"{origin}/hang", timeout=0.1)
        with pytest.raises(OSError, match=r"."):
            with serve_in_thread(hello, port=int(origin.rsplit(":", 1)[1])):
                pass
    assert threading.active_count() == threads
