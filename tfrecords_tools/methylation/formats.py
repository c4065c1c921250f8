"""Files of methylation by position: bedMethyl, Bismark's coverage and reports, bedGraph.

Every layout has its own number of columns, which tells it. Positions become 0-based here. Of
Bismark's coverage files the end is read: it is the 1-based position both in `.cov` and in
`.zero.cov`, and the G of the CpG where the strands were merged.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.methylation.layouts import KINDS, LAYOUTS, Layout
from tfrecords_tools.methylation.samples import Sample
from tfrecords_tools.methylation.text_blocks import TextTable

_HEADERS = ("#", "track", "browser")
_SPACED_FROM = 9  # modkit's columns from the tenth on, with --mixed-delim and in old versions


@dataclass(frozen=True, eq=False)
class SiteBlock:
    """Positions that follow one another in a file.

    Attributes:
        chroms: names of chromosomes.
        chrom: int [n], place among `chroms`.
        position: int32 [n], 0-based, of a C of either strand.
        strand: int8 [n], 1 forward, −1 reverse, 0 where the file does not say.
        line: int64 [n], in the file, from 1.
        methylated: float32 [n], reads that are methylated, or beta where `coverage` is None.
        coverage: float32 [n] or None, reads.
    """

    chroms: list[str]
    chrom: np.ndarray
    position: np.ndarray
    strand: np.ndarray
    line: np.ndarray
    methylated: np.ndarray
    coverage: np.ndarray | None


@dataclass
class SiteFile:
    """A file of methylation by position.

    Args:
        sample: the row of the sample table it is of.
        code: modified base to read of modkit's files, `m` for 5mC.

    Attributes:
        layout: how its columns lie.
        passed_over: rows that are of something else, by what.

    Raises:
        InputFileError: missing, empty, of no known layout, or of another than the table says.
        ConfigError: a scale for a file of counts.
    """

    sample: Sample
    code: str = "m"
    passed_over: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self.table = TextTable(self.sample.file, "methylation file")
        self._skip = 0
        for number, line in self.table.head():
            if line.strip() and not line.startswith(_HEADERS):
                break
            self._skip = number
        else:
            raise InputFileError(f"methylation file {self.path} has no rows: write it again")
        cells = line.split("\t")
        self._spaced = len(cells) == _SPACED_FROM + 1 and " " in cells[-1]
        if self._spaced:
            cells += cells.pop().split(" ")
        self.layout = self._layout(number, len(cells))
        if self.sample.scale != 1 and self.layout.counts:
            raise ConfigError(
                f"{self.sample.where or self.path}: scale is {self.sample.scale:g}, but a "
                f"{self.layout.name} file has counts: leave it out"
            )

    @property
    def path(self) -> Path:
        """The file."""
        return self.table.path

    def _layout(self, line: int, columns: int) -> Layout:
        wanted = self.sample.format
        for layout in LAYOUTS:
            if len(layout.columns) == columns and wanted in (None, layout.format):
                return layout
        known = [x for x in LAYOUTS if wanted in (None, x.format)]
        named = "; ".join(f"{x.name} has {len(x.columns)}" for x in known)
        kind = "a known format" if wanted is None else f"format {wanted!r}"
        raise InputFileError(
            f"{self.path} line {line} has {columns} tab-separated columns, which is not {kind}: "
            f"{named}"
        )

    def blocks(self, advance: Callable[[int], object] = lambda _: None) -> Iterator[SiteBlock]:
        """Yield the positions of cytosines, block by block.

        Args:
            advance: told how many more bytes of the file have been read.

        Raises:
            InputFileError: a row that is none, with its line.
        """
        kinds = {name: KINDS[name] for name in self.layout.used}
        rows = 0
        for line, batch in self.table.blocks(
            self.layout.columns, kinds, self._skip, spaced=self._spaced, advance=advance
        ):
            rows += len(batch)
            line, batch = self._chosen(line, batch)
            if len(batch):
                yield self._block(line, batch)
        if not rows:
            raise InputFileError(f"methylation file {self.path} has no rows: write it again")
        if rows == sum(self.passed_over.values()):
            others = ", ".join(f"{n:,} {what}" for what, n in self.passed_over.most_common(4))
            wanted = "context CG" if "context" in kinds else f"modified base {self.code!r}"
            raise InputFileError(f"{self.path} has no row of {wanted}: it has {others}")

    def _chosen(self, line: np.ndarray, batch: pa.RecordBatch):
        """Leave out rows of other contexts, or of other modified bases."""
        names = batch.schema.names
        if "context" in names:
            column, wanted = "context", ("CG",)
        elif "name" in names:
            column, wanted = "name", (self.code, f"{self.code},CG,0")
        else:
            return line, batch
        values = batch.column(column)
        known = values.dictionary.to_pylist()
        keep = np.isin(_codes(values), [n for n, name in enumerate(known) if name in wanted])
        if keep.all():
            return line, batch
        counts = np.bincount(_codes(values)[~keep], minlength=len(known))
        label = "context" if column == "context" else "modified base"
        for name, count in zip(known, counts.tolist(), strict=True):
            if count:
                self.passed_over[f"rows of {label} {name}"] += count
        return line[keep], batch.filter(pa.array(keep))

    def _block(self, line: np.ndarray, batch: pa.RecordBatch) -> SiteBlock:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        strand = np.zeros(len(line), np.int8)
        if "strand" in columns:
            strand = self._strand(columns["strand"], line)
        if "position" in columns:
            position = _numbers(columns["position"]) - 1
        else:
            position = self._starts(columns, line, strand)
        values = self._counts if self.layout.counts else self._betas
        methylated, coverage = values(columns, line)
        chrom = columns["chrom"]
        return SiteBlock(
            chrom.dictionary.to_pylist(),
            _codes(chrom),
            position + np.int32(self.sample.offset),
            strand,
            line,
            methylated,
            coverage,
        )

    def _strand(self, column: pa.DictionaryArray, line: np.ndarray) -> np.ndarray:
        known = column.dictionary.to_pylist()
        signs = {"+": 1, "-": -1, ".": 0, "*": 0}
        table = np.array([signs.get(name, 9) for name in known], np.int8)
        strand = table[_codes(column)]
        if (table == 9).any() and (strand == 9).any():
            row = int(np.argmax(strand == 9))
            raise InputFileError(
                f"{self.path} line {line[row]}: strand is {column[row].as_py()!r}, want +, - or ."
            )
        return strand

    def _starts(self, columns: dict, line: np.ndarray, strand: np.ndarray) -> np.ndarray:
        start, end = _numbers(columns["start"]), _numbers(columns["end"])
        width = end - start
        if self.layout.format == "bismark_cov":
            if (bad := (width < 0) | (width > 2)).any():
                row = int(np.argmax(bad))
                raise InputFileError(
                    f"{self.path} line {line[row]}: start {start[row]} and end {end[row]} are of "
                    "no cytosine: want one base, or the two of a CpG"
                )
            return end - 1
        if (bad := (width < 1) | (width > 2)).any():
            row = int(np.argmax(bad))
            raise InputFileError(
                f"{self.path} line {line[row]}: {start[row]} to {end[row]} is {width[row]} bp, "
                "want one cytosine or a CpG, 0-based and half-open"
            )
        strand[width == 2] = 0  # both of a CpG's bases, whatever strand is named
        return start

    def _counts(self, columns: dict, line: np.ndarray):
        if "unmethylated" in columns:
            methylated, other = (_numbers(columns[c]) for c in ("methylated", "unmethylated"))
            if (bad := (methylated < 0) | (other < 0)).any():
                row = int(np.argmax(bad))
                raise InputFileError(
                    f"{self.path} line {line[row]}: {methylated[row]} methylated and {other[row]} "
                    "unmethylated reads: want counts from 0"
                )
            coverage = (methylated.astype(np.int64) + other).astype(np.float32)
            return methylated.astype(np.float32), coverage
        coverage = _numbers(columns["coverage"])
        if "percent" in columns:
            percent = _numbers(columns["percent"])
            if (bad := ~((percent >= 0) & (percent <= 100)) | (coverage < 0)).any():
                row = int(np.argmax(bad))
                raise InputFileError(
                    f"{self.path} line {line[row]}: coverage is {coverage[row]}, percent "
                    f"methylated {percent[row]:g}: want 0 or more reads and 0 to 100 percent"
                )
            return (coverage * (percent / 100)).astype(np.float32), coverage.astype(np.float32)
        methylated = _numbers(columns["methylated"])
        if (bad := (methylated < 0) | (methylated > coverage)).any():
            row = int(np.argmax(bad))
            raise InputFileError(
                f"{self.path} line {line[row]}: {methylated[row]} methylated of {coverage[row]} "
                "reads: want counts from 0 up to the coverage"
            )
        return methylated.astype(np.float32), coverage.astype(np.float32)

    def _betas(self, columns: dict, line: np.ndarray):
        raw = _numbers(columns["beta"])
        beta = raw * self.sample.scale
        check_betas(beta, raw, line, self.sample)
        return beta.astype(np.float32), None


def check_betas(
    beta: np.ndarray,
    raw: np.ndarray,
    line: np.ndarray,
    sample: Sample,
    columns: Sequence[str] = (),
) -> None:
    """Refuse betas that are outside 0–1, saying which of them and what may be the matter.

    Args:
        beta: [n] or [n, columns], raw × the sample's scale; NaN passes.
        raw: as in the file.
        line: [n], of the file.
        sample: whose they are.
        columns: names of the columns.

    Raises:
        InputFileError: with the line.
    """
    bad = (beta < 0) | (beta > 1)
    if not bad.any():
        return
    place = np.unravel_index(int(np.argmax(bad)), bad.shape)
    of = f" of {columns[place[1]]!r}" if len(place) > 1 else ""
    advice = "want 0 to 1"
    if sample.scale != 1:
        advice = f"times scale {sample.scale:g} is {beta[place]:g}; want 0 to 1"
    elif 1 < raw[place] <= 100:
        advice = (
            "want 0 to 1; if these are percent, as Bismark writes them, set scale to 0.01 in the "
            "sample table"
        )
    raise InputFileError(
        f"{sample.file} line {line[place[0]]}: beta{of} is {raw[place]:g}, {advice}"
    )


def _codes(column: pa.DictionaryArray) -> np.ndarray:
    return column.indices.to_numpy(zero_copy_only=False)


def _numbers(column: pa.Array) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False)
