"""``FeedScheduler``: queued items leave when the quota admits them, and each comes back with its own outcome."""

from amazon_ae._scheduling.scheduler import FeedScheduler
from amazon_ae._scheduling.timing import SchedulerTiming

__all__ = ["FeedScheduler", "SchedulerTiming"]
