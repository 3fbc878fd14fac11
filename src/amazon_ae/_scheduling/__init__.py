"""``FeedScheduler``: what waits, leaves when the quota admits it, and comes back with its own outcome."""

from amazon_ae._scheduling.context import SchedulerTiming
from amazon_ae._scheduling.scheduler import FeedScheduler

__all__ = ["FeedScheduler", "SchedulerTiming"]
