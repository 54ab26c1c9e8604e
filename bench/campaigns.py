"""Campaigns: what is delivered in a second, and how long planning takes, in a company of a million.

`python -m bench.campaigns [--json FILE]`, in the environment that `manage.py bench` makes. Each
figure is printed as soon as it is measured.
"""

import argparse
import sys
from pathlib import Path

import bench.ready  # noqa: F401 -- before the first model is imported
from bench import delivering, planning, segmenting
from bench.figures import Figure, save, table

PARTS = (segmenting.measure, delivering.measure, delivering.a_million, planning.measure)


def main() -> int:
    """Measure, print, save; return the exit status."""
    parser = argparse.ArgumentParser(prog="bench.campaigns")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures: list[Figure] = []

    def say(figure: Figure) -> None:
        figures.append(figure)
        sys.stdout.write(f"{figure.name}: {figure.ours:.4g} {figure.unit}\n")
        sys.stdout.flush()

    for part in PARTS:
        part(say)
    sys.stdout.write(table(figures) + "\n")
    if options.json:
        save(figures, options.json)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
