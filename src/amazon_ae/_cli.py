"""``amazon-ae``: sandbox, demo, simulate, doctor, status. Each command loads what it needs when it runs."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The process's exit code; as shells have it, 130 after Ctrl-C and 141 where the reader of a pipe went away.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options, rest = _parser(words[:1]).parse_known_args(words)
        if rest and options.command != "demo":
            _parser(words[:1]).parse_args(words)  # names what it does not know
        code: int = options.run(options) if options.command != "demo" else _demo(rest)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the pipe is gone: keep the interpreter from flushing to it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _parser(command: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The one parser; the simulation's options are read from its module only if it is ``command``."""
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
    sandbox.set_defaults(run=_sandbox)
    simulate = commands.add_parser("simulate", help="show the delays to expect for a load")
    if list(command) == ["simulate"]:
        from amazon_ae.testing._simulation.command import add_arguments, run

        add_arguments(simulate)
        simulate.set_defaults(run=run)
    # The program of the checkout reads its own options.
    commands.add_parser(
        "demo", help="run the main job against the sandbox, from a checkout of the source", add_help=False
    )
    status = commands.add_parser(
        "status", help="show queues, quota, batches and dead letters of a storage; changes nothing"
    )
    status.add_argument("--store", required=True, metavar="STORE", help="a SQLite file or a postgresql:// address")
    status.add_argument("--account", default=None, metavar="SELLER/AE", help="only this account (default: all)")
    status.add_argument("--schema", default=None, help="PostgreSQL schema or SQLite table prefix, if not the default")
    status.add_argument(
        "--watch",
        type=_speed,
        nargs="?",
        const=2.0,
        default=None,
        metavar="SECONDS",
        help="again every so many seconds",
    )
    status.add_argument("--json", action="store_true", help="print JSON for programs")
    status.set_defaults(run=_status)
    doctor = commands.add_parser("doctor", help="check what this machine has, and the credentials in the environment")
    doctor.set_defaults(run=_doctor)
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON for programs")
    doctor.add_argument(
        "--try-sign-in", action="store_true", help="sign in to Seller Central once with the user in the environment"
    )
    doctor.add_argument("--database", metavar="FILE", default=None, help="a SQLite file that must be writable")
    doctor.add_argument(
        "--backend",
        choices=("mws", "spapi"),
        default=None,
        help="whose credentials are tried (default: those in the environment, else spapi)",
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
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return speed


def _sandbox(options: argparse.Namespace) -> int:
    if missing := [name for name in ("uvicorn", "starlette", "jinja2") if find_spec(name) is None]:
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


def _status(options: argparse.Namespace) -> int:
    from amazon_ae._status import show_status

    return show_status(
        store=options.store,
        account=options.account,
        schema=options.schema,
        watch_seconds=options.watch,
        as_json=options.json,
    )


def _doctor(options: argparse.Namespace) -> int:
    from amazon_ae._doctor import examine
    from amazon_ae._progress import spinner

    if options.probe_order is not None and options.backend == "mws":
        print("amazon-ae doctor: --probe-order asks the Selling Partner API: leave out --backend mws", file=sys.stderr)
        return 2
    lines: list[str] = []
    with spinner("checking this machine") as show:
        code = asyncio.run(
            examine(
                env=os.environ,
                database=options.database,
                backend=options.backend,
                probe_order=options.probe_order,
                as_json=options.json,
                try_sign_in=options.try_sign_in,
                write=lines.append,
                progress=lambda what: show(f"checking {what}"),
            )
        )
    print(*lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
