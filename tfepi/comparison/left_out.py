"""What a comparison leaves out, and why: variants, regions, models, and too large a top k."""

import itertools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tfrecords_tools.number_text import number_of

SKIPPED = "skipped.tsv"
_KINDS = (
    ("the genome has", "REF is not the genome's"),
    ("past the end of", "off the end of its chromosome"),
    ("before the chromosome", "off the end of its chromosome"),
)
_OTHER = "no sequence, or none that the model scores"


def skipped_kinds(folder: Path) -> dict[str, int]:
    """Return why records and ALTs of a folder of scores have none: kind → how many.

    Args:
        folder: of the scores, with skipped.tsv; without it nothing was skipped.
    """
    path, counts = folder / SKIPPED, Counter()
    if path.exists():
        with open(path, encoding="utf-8") as lines:
            for line in itertools.islice(lines, 1, None):
                reason = line.rstrip("\n").rpartition("\t")[2]
                counts[next((kind for part, kind in _KINDS if part in reason), _OTHER)] += 1
    return dict(sorted(counts.items()))


def left_out_lines(result: Mapping) -> list[str]:
    """Return a line for each thing that is not among what was compared.

    Args:
        result: the value of compare.json.
    """
    lines = []
    for model in result["models"]:
        kinds = model["skipped"]
        if kinds:
            why = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
            lines.append(f"{model['name']}: records or ALTs of the VCF not scored: {why}")
    many = len(result["series"]) > 1
    for pair in result["pairs"]:
        named = f"{pair['first']}, {pair['second']}"
        if pair["beyond_chromosome"]:
            lines.append(
                f"{named}: {number_of(pair['beyond_chromosome'], 'variant')} left out, around "
                "which a window runs beyond the chromosome (--edges keep keeps them)"
            )
        if pair["undefined"]:
            of = f", {pair['series']}" if many else ""
            lines.append(
                f"{named}{of}: {number_of(pair['undefined'], 'variant')} left out, without a score "
                "by one of the two"
            )
    most = max((pair["n"] for pair in result["pairs"]), default=0)
    for k in result["comparing"]["top"]:
        if not any(top["k"] == k for pair in result["pairs"] for top in pair["top"]):
            lines.append(
                f"--top {k:,} is left out: it says nothing of {number_of(most, 'variant')}, want "
                "fewer than that"
            )
    return list(dict.fromkeys(lines))


def region_lines(regions: Mapping) -> list[str]:
    """Return a line for each pair that misses regions, and for each model that predicts none.

    Args:
        regions: of the value of compare.json; {} without any.
    """
    lines, every = [], regions.get("count", 0)
    for pair in regions.get("pairs", ()):
        named = f"{pair['first']}, {pair['second']}"
        if pair["beyond_chromosome"]:
            lines.append(
                f"{named}: {pair['beyond_chromosome']} of {number_of(every, 'region')} left out, "
                "around which a window runs beyond the chromosome (--edges keep keeps them)"
            )
        if pair["undefined"]:
            lines.append(
                f"{named}: {pair['undefined']} of {number_of(every, 'region')} left out, without a "
                "value by one of the two"
            )
    lines += [f"{name}: {why}" for name, why in regions.get("left_out", {}).items()]
    return list(dict.fromkeys(lines))


def regions_text(regions: Mapping) -> str:
    """Return how many regions are compared: "303 regions", "300 of 303 regions".

    Args:
        regions: as of `region_lines`; of pairs with different numbers the least and the most.
    """
    every = number_of(regions["count"], "region")
    numbers = {pair["regions"] for pair in regions["pairs"]}
    if numbers == {regions["count"]}:
        return every
    low, high = min(numbers), max(numbers)
    return f"{low if low == high else f'{low} to {high}'} of {every}"
