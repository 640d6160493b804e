"""The detectors on labelled material: ``python tests/bench/bench_detectors.py [--detectors silence …] [--notes]``.

Prints recall, precision, false alarms an hour and the error of positions for each kind of fault, with the time it took.
Material: an hour and three quarters of music and speech made by rule (tests/labelled_music.py, labelled_speech.py), and
what is installed of the Debian packages in `RECORDINGS`; each piece is heard clean and with several kinds of faults.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from labelled import DETECTORS, MAIN, RULES, Judge, detectors
from labelled_faults import FAULTS, damaged
from labelled_material import Piece, faults_in, full_set, make, recorded, small_set


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description="Judges the detectors on labelled material.")
    parser.add_argument("--detectors", nargs="*", default=[], choices=sorted(DETECTORS), help="only these")
    parser.add_argument("--pieces", default="", help="only pieces whose names have this in them")
    parser.add_argument("--small", action="store_true", help="the ten minutes of the test suite")
    parser.add_argument("--clean", action="store_true", help="no damaged material")
    parser.add_argument("--seed", type=int, default=0, help="another set: to tune with, where set 0 is to judge")
    parser.add_argument("--notes", action="store_true", help="every miss and false alarm; recall by variant")
    parser.add_argument("--cache", help="a folder that keeps the pieces that were made")
    return parser.parse_args()


def pieces(small: bool, part: str, seed: int) -> Iterator[Piece]:
    """Made ones, then recordings; the latter belong to set 0 only."""
    for recipe in small_set() if small else full_set():
        if part in recipe.name:
            yield make(recipe._replace(seed=recipe.seed + seed))
    if not small and not seed:
        for piece in recorded():
            if isinstance(piece, str):
                print(piece)
            elif part in piece.name:
                yield piece


def turns(i: int, small: bool) -> list[str]:
    """Kinds of faults that the piece of this number gets: of the main ones every second, of the others every third."""
    return [kind for k, kind in enumerate(FAULTS) if small or (i + k) % (2 if kind in MAIN else 3) == 0]


def hear(judge: Judge, piece: Piece, number: int, options: argparse.Namespace) -> None:
    """One piece, clean and with its faults."""
    wrong = faults_in(piece.x, piece.rate) - piece.grey
    if wrong:
        sys.exit(f"{piece.name} is not clean: {wrong}")
    judge.hear(piece.name, piece.x, piece.rate, [], piece.grey)
    for kind in [] if options.clean else turns(number, options.small):
        if judge.asks(kind) and kind not in piece.grey:
            y, labels = damaged(kind, piece.x, piece.rate, number + 1000 * options.seed)
            if labels:
                judge.hear(f"{piece.name}+{kind}", y, piece.rate, labels, piece.grey)


def main() -> None:
    """Hear everything, print the table."""
    options = arguments()
    if options.cache:
        os.environ["LABELLED_CACHE"] = options.cache
    nodes = detectors(options.detectors)
    if not nodes:
        sys.exit("there are no detectors yet")
    judge, began, number = Judge(nodes), perf_counter(), 0
    left_out = [kind for kind in RULES if not judge.asks(kind)]
    if left_out:
        print(f"no detector here for: {', '.join(left_out)}")
    try:
        for number, piece in enumerate(pieces(options.small, options.pieces, options.seed)):
            hear(judge, piece, number, options)
            print(f"\r{number + 1} pieces", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("stopped: what there is so far", file=sys.stderr)
    print(file=sys.stderr)
    if options.notes:
        print("\n".join(sorted(judge.notes)), judge.variants(), sep="\n")
    print(judge.table())
    print(f"{number + 1} pieces, {perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
