"""The proof can fail: each planted bug is caught by a seed of the simulator, or by the named test beside it.

| planted | caught by |
|---|---|
| the wake-up of a put is dropped | ``test_packing_wakes_a_sleeping_scheduler`` (a bug of latency) |
| the order cursor comes from the local clock | ``test_order_sync.py`` with a host whose clock is ahead |
| any feed found is taken for ours | ``test_reconciliation.py`` |

and the rest in ``CAUGHT_BY`` below, by seed.
"""

from __future__ import annotations

import pytest
from planted_bugs import PLANTED

from amazon_ae.testing._simulation.chaos import ChaosPlan, run_chaos

pytestmark = pytest.mark.slow

CAUGHT_BY = {}


@pytest.mark.parametrize(("name", "seed"), CAUGHT_BY.items(), ids=CAUGHT_BY)
def test_a_planted_bug_is_caught(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a seed that breaks no promise without it (``test_chaos.py``)."""
    PLANTED[name](monkeypatch)
    assert run_chaos(ChaosPlan.draw(seed)).violations != []
