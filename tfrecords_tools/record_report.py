"""What is wrong with a data folder, counted by kind."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tfrecords_tools.remote import named

FORMAT = "tfepi-validation"
FORMAT_VERSION = 1
_WORDS = {
    "nan": "NaN",
    "infinite": "infinite",
    "limit": "at float16's limit",
    "root": "below what the statistic can give",
    "beta": "below 0 or above 1",
    "label": "neither 0 nor 1",
}


@dataclass
class Report:
    """Problems by level and kind: exact counts, and the first few of each.

    Attributes:
        folder: what was validated.
        shown: how many of each kind are kept.
        problems: (level, kind) → count and examples.
        records: label → records that could be read.
        shards: number of shards.
        targets: identifier → kind of value → bins.
    """

    folder: Path
    shown: int = 5
    problems: dict[tuple[str, str], list] = field(default_factory=dict)
    records: Counter = field(default_factory=Counter)
    shards: int = 0
    targets: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, level: str, kind: str, detail: str, **place) -> None:
        """Add a problem; `place` may name its file, record and byte."""
        entry = self.problems.setdefault((level, kind), [0, []])
        entry[0] += 1
        if len(entry[1]) < self.shown:
            entry[1].append({**place, "detail": " ".join(detail.split())})

    def count(self, level: str) -> int:
        """Return the number of problems of a level."""
        return sum(entry[0] for (of, _), entry in self.problems.items() if of == level)

    def to_json(self) -> dict:
        """Return the report as JSON values."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "folder": str(self.folder),
            "shards": self.shards,
            "records": dict(self.records),
            "errors": self.count("error"),
            "notes": self.count("note"),
            "problems": [
                {"level": level, "kind": kind, "count": count, "first": examples}
                for (level, kind), (count, examples) in sorted(self.problems.items())
            ],
            "targets": self.targets,
        }

    def summary(self) -> str:
        """Return a line on what was read, and one per target with values that are not plain."""
        labels = ", ".join(f"{label} {count:,}" for label, count in self.records.items()) or "none"
        lines = [
            f"{named(str(self.folder))}: {self.records.total():,} records ({labels}) in "
            f"{self.shards} shards; {self.count('error'):,} errors, {self.count('note'):,} notes"
        ]
        for name, kinds in self.targets.items():
            bins = ", ".join(f"{count:,} {_WORDS[kind]}" for kind, count in kinds.items())
            lines.append(f"{name}: bins: {bins}")
        return "\n".join(lines)

    def lines(self) -> list[str]:
        """Return a line per problem that is kept, and one per kind with more."""
        found = []
        for (level, kind), (count, examples) in sorted(self.problems.items()):
            for e in examples:
                place = [str(e[k]) if k == "file" else f"{k} {e[k]}" for k in e if k != "detail"]
                found.append(
                    f"{level}: {kind}: {', '.join(place)}{': ' * bool(place)}{named(e['detail'])}"
                )
            if count > len(examples):
                found.append(f"{level}: {kind}: … {count:,} in all")
        return found
