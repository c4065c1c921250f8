"""Variant scores: what was scored, what was not and why, and the largest effects."""

import csv
from collections import Counter

from tfepi.report.page.content import Check, Column, Note, Section, Table
from tfepi.report.page.folders import VARIANTS, Folder, Runs
from tfepi.report.page.meaning import meaning
from tfepi.report.page.pictures import picture
from tfepi.report.page.top_hits import add_quantiles, calibrated, top_hits
from tfepi.report.page.variant_loci import variant_blocks
from tfepi.report.score_histogram import score_histogram
from tfepi.variants.manifest import Manifest
from tfepi.variants.score_file import ScoreFile
from tfepi.variants.scores import PREDICTIONS

MOST_HITS = 500
DRAWN = 4
_PREFERRED = ("logSED", "logSAD", "logSUM", "SAD", "SUM")
_MATCHING = 0.99
_OTHER_REF = "REF is not what the genome has"
_KINDS = (
    ("the genome has", _OTHER_REF),
    ("symbolic", "ALT is symbolic"),
    ("breakend", "ALT is a breakend"),
    ("deleted by another", "ALT is *"),
    ("letters other", "letters other than A, C, G, T"),
    ("past the end", "past the end of its chromosome"),
    ("chromosome", "chromosome that the FASTA lacks"),
)
_COUNTS = (Column("what", "records and alleles"), Column("count", "count", None))
_HITS = (
    Column("chrom", "chromosome"),
    Column("pos", "position (1-based)", None),
    Column("id", "id"),
    Column("ref", "REF"),
    Column("alt", "ALT"),
    Column("target", "target"),
    Column("score", "score"),
    Column("share", "larger than this share of the VCF", 5),
    Column("quantile", "quantile in the background", 5),
)


def variant_section(runs: Runs, ask_models: bool) -> Section | None:
    """Return the section on folders of variant scores; None without one.

    Args:
        runs: the folders.
        ask_models: predict the loci of the largest effects.
    """
    folders = runs.of(VARIANTS)
    if not folders:
        return None
    blocks, checks = [], []
    for number, folder in enumerate(folders):
        found = _of_folder(folder, number, runs, ask_models)
        blocks += found[0]
        checks += found[1]
    return Section("variants", "Variants", blocks, checks)


def _of_folder(folder: Folder, number: int, runs: Runs, ask_models: bool):
    manifest = Manifest.read(folder.path)
    reasons = _reasons(folder)
    survey = manifest.survey
    counted = {
        "records in the VCF": survey.records,
        "alleles scored": survey.rows,
        "alleles or records left out": sum(reasons.values()),
        **{f"left out: {reason}": count for reason, count in reasons.most_common()},
    }
    rows = [{"what": k, "count": v} for k, v in counted.items()]
    caption = f"{folder.name}: what became of the VCF's records."
    blocks = [Table(f"variant_counts_{number}", caption, _COUNTS, rows)]
    checks = [_matches(folder, manifest, reasons)]
    stats = [s for s in manifest.scoring.stats if s not in PREDICTIONS]
    if not stats or folder.record.get("outcome") != "finished" or not _has_scores(folder):
        blocks.append(Note(f"{folder.name} has no scores.h5 of a statistic: no effect is listed."))
        return blocks, checks
    stat = next((s for s in _PREFERRED if s in stats), stats[0])
    scores = ScoreFile.of(folder.path, stat)
    hits = top_hits(scores, MOST_HITS)
    checks.append(_defined(folder, hits.undefined, scores.rows))
    unit = "" if manifest.window.bins > 1 else ", of one bin"
    blocks.append(Note(f"{stat}{unit}: {meaning(stat)}"))
    columns = list(_HITS)
    background = calibrated(runs, scores)
    if background is None:
        columns = columns[:-1]
        blocks.append(
            Note(
                "How rare a score is, is told among this VCF's own variants only: name a folder of "
                "tfepi_calibrate.py to compare with a background."
            )
        )
    else:
        add_quantiles(hits.rows, background)
    if hits.counts.sum():
        first = hits.rows[0]
        text = (
            f"{folder.name}: largest magnitude of {stat} over targets, of {scores.rows:,} "
            f"variants; the largest, {first['score']:.4g}, is {first['chrom']}:{first['pos']} "
            f"{first['ref']}>{first['alt']} in {first['target']}."
        )
        drawn = score_histogram(hits.edges, hits.counts, stat)
        blocks.append(picture(drawn, f"scores_{number}", text))
    caption = f"{folder.name}: the largest effects by |{stat}|, each in its largest target."
    rest = scores.rows - hits.undefined - len(hits.rows)
    table = Table(f"hits_{number}", caption, columns, hits.rows, omitted=rest)
    blocks.append(table)
    blocks += variant_blocks(folder.path, hits.rows[:DRAWN], ask_models)
    return blocks, checks


def _has_scores(folder: Folder) -> bool:
    return any((folder.path / name).exists() for name in ("scores.h5", "sad.h5"))


def _reasons(folder: Folder) -> Counter:
    """Return how often each reason stands in skipped.tsv, without what differs by record."""
    path = folder.path / "skipped.tsv"
    if not path.exists():
        return Counter()
    with open(path, newline="") as handle:
        return Counter(_kind(row["reason"]) for row in csv.DictReader(handle, delimiter="\t"))


def _kind(reason: str) -> str:
    return next((kind for words, kind in _KINDS if words in reason), reason)


def _matches(folder: Folder, manifest: Manifest, reasons: Counter) -> Check:
    name = f"REF of {folder.name} is the genome's"
    other = reasons[_OTHER_REF]
    rows = manifest.survey.rows + other
    share = manifest.survey.rows / rows if rows else 0
    found = f"{manifest.survey.rows:,} of {rows:,} alleles ({share:.2%})"
    if manifest.scoring.ref_policy == "swap":
        return Check(name, "pass" if not other else "warn", found + ", or an ALT is (swap)")
    if share >= _MATCHING:
        return Check(name, "pass", found)
    advice = "the VCF may be of another assembly: compare its contigs' lengths with the FASTA's"
    return Check(name, "fail" if share < 0.5 else "warn", found, advice)


def _defined(folder: Folder, undefined: int, rows: int) -> Check:
    name = f"Scores of {folder.name} are numbers"
    if not undefined:
        return Check(name, "pass", f"{rows:,} of {rows:,}")
    advice = "see docs on what is not defined, such as the logarithm of a negative prediction"
    return Check(name, "warn", f"{undefined:,} of {rows:,} have none", advice)
