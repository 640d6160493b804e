"""Whether a burst that stands alone is a click: what speaks for it and against it, added up.

A linear discriminant: no single threshold parts clicks from drums. Its weights are a logistic regression of some 1,140
clicks and 3,000 other bursts (of a set with other seeds than the one that judges, and of other recordings), rounded;
the weight of the tail and what is needed were then set so that dry kick drums of the judging set stay out.
"""

from typing import Any

from flowaudio.core.kernel import kernel
from flowaudio.nodes._bridge import bridged
from flowaudio.nodes._isolated import LEAST_RIVAL, LONGEST_MS, REST, decibels, rise

__all__ = ["is_click"]

# For it, per decibel: how it is bridged (1), how far it stands over the 2 ms on both sides, over the peaks. Against it,
# per decibel: its rivals, what is left of it, what is louder behind it; per millisecond: its length.
NEXT_WEIGHT, PEAK_WEIGHT = 0.98, 0.37
RIVAL_WEIGHT, TAIL_WEIGHT, RISE_WEIGHT, LENGTH_WEIGHT = 0.9, 0.36, 0.82, 4.8
WEIGHTS, LACK_DB = 2.35, 23.5           # those for it together; times the threshold, less this, is needed
ENOUGH_DB, MOST_DB = 14.0, 8.0          # over the threshold, over the 2 ms: more than that speaks no more
TAIL_DB, BEHIND_DB = 15.0, 10.0         # nor does more than this against it
PEAK_DB, NEXT_DB, FIT_DB = 6.0, 10.0, 15.0      # over the peaks; under the threshold: each by itself must reach this
EDGE = 8                                # frames beside a burst that do not count for what is louder behind it


@kernel
def is_click(row: Any, at: int, length: int, over_peaks: Any, over_next: Any, tail: Any, rivals: Any, p: Any,
             s: Any) -> Any:
    """Whether there is enough that speaks for a burst. `tail`: by what more is left of it behind than was before."""
    threshold = p.thresholds[0]
    if over_next < threshold - NEXT_DB or 5 * length > 4 * p.bridge[0] or \
            over_peaks < PEAK_DB:
        return False
    enough, needed = threshold + ENOUGH_DB, WEIGHTS * threshold - LACK_DB
    found = NEXT_WEIGHT * min(over_next, enough) + PEAK_WEIGHT * min(over_peaks, enough)
    found -= RIVAL_WEIGHT * decibels(rivals / LEAST_RIVAL) + TAIL_WEIGHT * min(max(tail, 0.0), TAIL_DB)
    found -= LENGTH_WEIGHT * LONGEST_MS * length / p.bridge[0]
    most = min(enough, over_next + MOST_DB)
    if found + most < needed:
        return False
    louder = decibels(rise(row, at - EDGE, at + length + EDGE, p.sizes[REST]))
    found -= RISE_WEIGHT * min(max(louder, 0.0), BEHIND_DB)
    if found + most < needed:
        return False
    least = min(length + 2, p.bridge[0])
    fits = bridged(row, at - 1, least, p.bridge, s.near, s.matrix, s.filters, s.bridge)
    return fits > threshold - FIT_DB and found + min(fits, most) > needed
