"""Which connection a request takes: one per event loop, and a clear refusal where that cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import attrs
import httpx
import pytest
from mws_support import CREDENTIALS, Amazon, envelope

from amazon_ae import AE, ConfigurationError, MwsClient, NotSent

FEED = (
    "<FeedSubmissionInfo><FeedSubmissionId>1</FeedSubmissionId>"
    "<FeedProcessingStatus>_SUBMITTED_</FeedProcessingStatus></FeedSubmissionInfo>"
)
SUBMITTED = envelope("SubmitFeed", FEED, section="Feeds/2009-01-01")


class Handler(BaseHTTPRequestHandler):
    """Takes feeds over connections that stay open."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_POST(self) -> None:
        """Answer as Amazon does."""
        type(self).bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", str(len(SUBMITTED)))
        self.end_headers()
        self.wfile.write(SUBMITTED)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[tuple[str, list[bytes]]]:
    """A real server on loopback and the bodies that it took."""
    bodies: list[bytes] = []
    handler = type("Feeds", (Handler,), {"bodies": bodies})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", bodies
        httpd.shutdown()
        thread.join()


async def submit(client: MwsClient, body: bytes) -> str:
    feed = await client.feeds.submit("_X_", body, content_type="text/xml")
    return feed.feed_submission_id


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_one_client_serves_several_event_loops(server: tuple[str, list[bytes]]) -> None:
    """Each ``asyncio.run`` gets connections of its own; every feed arrives once and is answered."""
    endpoint, bodies = server
    client = MwsClient(CREDENTIALS, attrs.evolve(AE, mws_endpoint=endpoint))
    assert [asyncio.run(submit(client, body)) for body in (b"a", b"b", b"c")] == ["1"] * 3
    assert bodies == [b"a", b"b", b"c"]
    asyncio.run(client.aclose())
    with pytest.raises(NotSent, match="closed"):
        asyncio.run(submit(client, b"d"))


def test_a_hosts_client_in_a_second_loop_is_refused_before_anything_is_sent() -> None:
    """Its connections belong to the first loop; also where a second MwsClient gets it."""
    amazon = Amazon(SUBMITTED)
    http = httpx.AsyncClient(transport=httpx.MockTransport(amazon))
    assert asyncio.run(submit(MwsClient(CREDENTIALS, http=http), b"a")) == "1"
    with pytest.raises(ConfigurationError, match="event loop"):
        asyncio.run(submit(MwsClient(CREDENTIALS, http=http), b"b"))
    assert len(amazon.asked) == 1


def test_a_machine_that_cannot_open_a_connection_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """SSLKEYLOGFILE in a folder that is missing, for one: never a bare FileNotFoundError."""

    def broken(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    # Where httpx makes its TLS context differs by its version; that a transport makes one does not.
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "__init__", broken)
    client = MwsClient(CREDENTIALS)
    with pytest.raises(ConfigurationError, match="no HTTP client can be opened"):
        asyncio.run(submit(client, b"a"))


@pytest.mark.parametrize("http", [httpx.Client(), "http://127.0.0.1", httpx.AsyncHTTPTransport()])
def test_anything_but_an_async_client_is_refused(http: object) -> None:
    """When the client is made, with the type by its name."""
    with pytest.raises(ConfigurationError, match=type(http).__name__):
        MwsClient(CREDENTIALS, http=http)  # type: ignore[arg-type]  # the mistake under test
