"""How much slower than alone a program runs on this machine now: other programs may keep its cores busy while
a test looks at latencies.
"""

from __future__ import annotations

import time


def stretch(cpu_s: float = 0.3) -> float:
    """Wall time over processor time of a calculation that takes `cpu_s` seconds of it; 1 on a quiet machine.

    Ask before and after the moment that is measured, never during it: what is tested would excuse itself.
    """
    begin, used = time.perf_counter(), time.thread_time()
    while time.thread_time() - used < cpu_s:
        sum(range(1000))
    return max(1.0, (time.perf_counter() - begin) / cpu_s)
