"""Days of trade in seconds: the real scheduler on virtual time. ``amazon-ae simulate`` runs it."""

from amazon_ae.testing._simulation.command import main
from amazon_ae.testing._simulation.days import Day, trade_for_days
from amazon_ae.testing._simulation.loads import Load, Processing
from amazon_ae.testing._simulation.market import PaperMarket
from amazon_ae.testing._simulation.trade import Delays, Trade, simulate

__all__ = ["Day", "Delays", "Load", "PaperMarket", "Processing", "Trade", "main", "simulate", "trade_for_days"]
