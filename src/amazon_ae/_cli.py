"""``amazon-ae``: sandbox, demonstration, simulation, doctor. Everything is loaded by the command that needs it."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit code, 130 after Ctrl-C as shells have it."""
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    # Simulation and demonstration have options of their own and read them themselves.
    if words[:1] == ["simulate"]:
        from amazon_ae.testing._simulation.command import main as simulate

        return simulate(words[1:])
    if words[:1] == ["demo"]:
        return _demo(words[1:])
    options = _parser().parse_args(words)
    if options.command == "sandbox":
        return _sandbox(options)
    return _doctor(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="amazon-ae", description="A seller's warehouse and Amazon.ae.")
    parser.add_argument("--version", action="version", version=f"amazon-ae {version('amazon-ae')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    sandbox = commands.add_parser("sandbox", help="serve a look-alike of Amazon on loopback until Ctrl-C")
    sandbox.add_argument("--port", type=_port, default=8400, help="of the MWS endpoint; 0: a free one (default: 8400)")
    sandbox.add_argument(
        "--portal-port", type=_port, default=None, help="of Seller Central (default: the next one, or a free one for 0)"
    )
    sandbox.add_argument(
        "--spapi-port",
        type=_port,
        default=None,
        help="of the Selling Partner API (default: the one after next, or a free one for 0)",
    )
    sandbox.add_argument("--speed", type=_speed, default=1.0, help="its seconds per real second (default: 1)")
    sandbox.add_argument("--seed", type=int, default=0, help="other orders for another seed (default: 0)")
    sandbox.add_argument("--orders", type=_count, default=120, help="unshipped orders to begin with (default: 120)")
    sandbox.add_argument("--skus", type=_count, default=1000, help="SKUs that Amazon knows (default: 1000)")
    sandbox.add_argument("--json", action="store_true", help="print one line of JSON for programs instead of a page")
    commands.add_parser("simulate", help="the delays to expect for a load: amazon-ae simulate --help", add_help=False)
    commands.add_parser(
        "demo", help="run the main job against the sandbox, from a checkout of the source", add_help=False
    )
    doctor = commands.add_parser("doctor", help="check what this machine has, and the credentials in the environment")
    doctor.add_argument("--database", metavar="FILE", default=None, help="a SQLite file that must be writable")
    doctor.add_argument(
        "--backend", choices=("mws", "spapi"), default="mws", help="whose credentials are tried (default: mws)"
    )
    doctor.add_argument(
        "--probe-order",
        metavar="ID",
        default=None,
        help="list the pickup slots of this Easy Ship order (spapi only); it schedules nothing",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no count: a whole number from 0")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: a number above 0")
    return speed


def _sandbox(options: argparse.Namespace) -> int:
    if missing := [name for name in ("uvicorn", "starlette") if find_spec(name) is None]:
        print(f"amazon-ae: {' and '.join(missing)} missing: pip install 'amazon-ae[sandbox]'", file=sys.stderr)
        return 2
    from amazon_ae.testing._sandbox_command import run

    def or_next(port: int | None, step: int) -> int:
        if port is not None:
            return port
        return options.port + step if 0 < options.port <= 65_535 - step else 0

    return asyncio.run(
        run(
            port=options.port,
            portal_port=or_next(options.portal_port, 1),
            spapi_port=or_next(options.spapi_port, 2),
            speed=options.speed,
            seed=options.seed,
            orders=options.orders,
            skus=options.skus,
            as_json=options.json,
        )
    )


def _demo(arguments: list[str]) -> int:
    import subprocess
    from pathlib import Path

    # A host program to read and change: it is part of the source, not of the installed package.
    program = Path("examples", "demo.py")
    if not program.is_file():
        print(
            "amazon-ae: the demonstration is part of the source. In a checkout: python3 -m nox -s demo", file=sys.stderr
        )
        return 2
    return subprocess.run([sys.executable, str(program), *arguments], check=False).returncode


def _doctor(options: argparse.Namespace) -> int:
    import os

    from amazon_ae._doctor import examine

    return asyncio.run(
        examine(
            env=os.environ,
            database=options.database,
            backend=options.backend,
            probe_order=options.probe_order,
            write=print,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
