"""Days of trade in seconds: the real scheduler on virtual time. ``amazon-ae simulate`` runs it."""

from amazon_ae.testing._simulation.command import main
from amazon_ae.testing._simulation.market import PaperMarket
from amazon_ae.testing._simulation.trade import Delays, Load, Trade, simulate

__all__ = ["Delays", "Load", "PaperMarket", "Trade", "main", "simulate"]
