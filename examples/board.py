"""What happens in the warehouse, live: a line per event, and in a terminal a table below that counts along."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from amazon_ae import (
    Clock,
    DocumentEvent,
    Event,
    FeedOfOtherRoute,
    FeedReconciled,
    FeedScheduler,
    FeedSettled,
    FeedSubmitted,
    SignInEvent,
)

VERDICTS = {
    "found": "found at Amazon, nothing is sent again",
    "absent": "what Amazon does not have is sent once more",
    "unknown": "nobody can tell, a person must look",
}
ROWS = ("orders", "buffer", "quota", "feeds", "parcels", "refused", "documents", "sign-ins")


class Board:
    """A board on the wall. ``show`` sets a row, ``count`` adds to one, ``say`` writes a line above."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._console = Console()
        self._rows: dict[str, str | int] = dict.fromkeys(ROWS, 0)
        self._live = Live(console=self._console, refresh_per_second=8, get_renderable=self._picture)

    async def __aenter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        else:
            self._console.print(self._picture())

    def show(self, **rows: str | int) -> None:
        """Set rows."""
        self._rows.update({name.replace("_", "-"): value for name, value in rows.items()})

    def count(self, row: str, more: int = 1) -> None:
        """Add to a row."""
        self._rows[row] = int(self._rows[row]) + more

    def say(self, line: str) -> None:
        """Write a line; in a terminal it scrolls by above the table."""
        self._console.print(f"{self.clock.now():%H:%M:%S}  {line}", markup=False, highlight=False, soft_wrap=True)

    def on_event(self, event: Event) -> None:
        """What the library tells."""
        if isinstance(event, FeedSubmitted):
            self.count("feeds")
            what = f"feed {event.feed_id}" if event.feed_id else "request"
            self.say(f"{what} accepted: {event.size} {event.kind} item{'' if event.size == 1 else 's'}")
        elif isinstance(event, FeedSettled):
            what = f"feed {event.feed_id}" if event.feed_id else "request"
            self.say(f"{what} settled: {event.accepted} accepted, {event.rejected} refused")
        elif isinstance(event, FeedReconciled):
            self.say(f"a request whose answer was lost: {VERDICTS[event.verdict]}")
        elif isinstance(event, FeedOfOtherRoute):
            what = f"feed {event.feed_id}" if event.feed_id else f"batch {event.batch_id}"
            self.say(
                f"{what} of {event.route}: {event.size} {event.kind} items, settled before any of them leaves again"
            )
        elif isinstance(event, SignInEvent):
            self.count("sign-ins")
            self.say(f"browser: {event.outcome} after {event.seconds:.0f} s")
        elif isinstance(event, DocumentEvent) and event.outcome != "ready":
            self.say(f"{event.kind} of {event.order_id}: {event.outcome}")

    async def quota(self, scheduler: FeedScheduler) -> None:
        """Show how much of each quota is used and free."""
        stats = await scheduler.stats()
        self.show(
            quota=", ".join(
                f"{name.rpartition('/')[2]}: {used} used, {stats.quota_free[name]} free"
                for name, used in stats.quota_used.items()
            )
        )

    def _picture(self) -> Table:
        table = Table("what", "how much", title=f"The warehouse at {self.clock.now():%H:%M:%S} (fast clock)")
        for name, value in self._rows.items():
            table.add_row(name, str(value))
        return table
