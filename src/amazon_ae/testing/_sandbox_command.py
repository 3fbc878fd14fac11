"""``amazon-ae sandbox``: open the sandbox, print how to reach it, and stop on a signal."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from amazon_ae._clocks import SystemClock
from amazon_ae.testing._clocks import ScaledClock
from amazon_ae.testing._sandbox import Sandbox, open_sandbox

__all__ = ["run"]


async def run(
    *,
    port: int,
    portal_port: int,
    spapi_port: int,
    speed: float,
    seed: int,
    orders: int,
    skus: int,
    as_json: bool,
    write: Callable[[str], None] | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    write = write or _write
    clock = SystemClock() if speed == 1 else ScaledClock(speed=speed, origin=datetime.now(UTC).replace(microsecond=0))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(name, stop.set)
        except NotImplementedError:  # Windows: Ctrl-C ends the process without our help
            break
    try:
        async with open_sandbox(
            clock=clock, port=port, portal_port=portal_port, spapi_port=spapi_port, orders=orders, skus=skus, seed=seed
        ) as sandbox:
            write(json.dumps(sandbox.describe()) if as_json else page(sandbox))
            await stop.wait()
    except OSError as error:
        print(f"amazon-ae sandbox: {error.strerror or error}; --port 0 takes free ports", file=sys.stderr)
        return 1
    if not as_json:
        write("stopped")
    return 0


def page(sandbox: Sandbox) -> str:
    """The page with the addresses and credentials that a person needs."""
    about = sandbox.describe()
    clock = (
        "Clock: the machine's."
        if about["clock_origin"] is None
        else f"Clock: {about['speed']:g} times as fast as the machine's. A client on it:\n"
        f"    ScaledClock(speed={about['speed']:g}, origin=datetime.fromisoformat({about['clock_origin']!r}))"
    )
    return f"""\
Amazon MWS        {about["mws_endpoint"]}
  marketplace id  {about["marketplace_id"]}
  seller id       {about["seller_id"]}
  access key id   {about["access_key_id"]}
  secret key      {about["secret_key"]}
  auth token      {about["auth_token"]}
  pickup feed     {about["pickup_feed_type"]}
  what it holds   {about["state"]}
Selling Partner   {about["spapi_endpoint"]}
  client id       {about["client_id"]}
  client secret   {about["client_secret"]}
  refresh token   {about["refresh_token"]}
  tokens          {about["lwa_endpoint"]}/auth/o2/token
Seller Central    {about["portal_origin"]}
  e-mail          {about["portal_email"]}
  password        {about["portal_password"]}
  one-time codes  {about["portal_totp"]}
  its switches    {about["portal_control"]}
{clock}
In Python:
    marketplace = attrs.evolve(AE, mws_endpoint={about["mws_endpoint"]!r},
                               spapi_endpoint={about["spapi_endpoint"]!r},
                               lwa_endpoint={about["lwa_endpoint"]!r},
                               portal_origin={about["portal_origin"]!r})
Nothing here reaches Amazon. Stop with Ctrl-C."""


def _write(text: str) -> None:
    print(text, flush=True)
