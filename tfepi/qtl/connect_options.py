"""The options of `tfepi_qtl.py connect`, and how a table is read by them."""

from dataclasses import dataclass, field
from pathlib import Path

from tfepi.qtl.bins import WIDTH
from tfepi.qtl.connect_outputs import HubRule
from tfepi.qtl.connect_tables import MANY
from tfepi.qtl.connectivity import Counting
from tfepi.qtl.layouts import detect, read_roles
from tfepi.qtl.links import MAX_DISTANCE, LinkReader
from tfepi.qtl.place_files import read_places
from tfepi.qtl.significance import Asked, Significance
from tfepi.qtl.snps import SnpColumns
from tfepi.qtl.table_blocks import open_table
from tfepi.qtl.targets import TargetColumns
from tfrecords_tools.errors import ConfigError


@dataclass(frozen=True)
class Options:
    """How tables are read and counted.

    Attributes:
        asked: which rows are significant.
        counting: how links are put into bins.
        hubs: which bins are hubs.
        max_distance: between SNP and target, bp.
        width: of a bin, bp.
        many: bins with more connections are counted.
        chroms: that are counted, as of `chosen`.
        base: 0 or 1: what positions are counted from; None: 1, as in every published layout.
        target_base: of targets; None: as `base`.
        assembly: of the tables, where they do not say, or None.
        columns: ROLE=COLUMN,… of all tables.
        targets: file of targets by name, or None.
        snps: file of SNPs by name, or None.
        resamples: of the test of a power law.
        seed: of its random numbers.

    Raises:
        ConfigError: a number out of range.
    """

    asked: Asked = field(default_factory=Asked)
    counting: Counting = field(default_factory=Counting)
    hubs: HubRule = field(default_factory=HubRule)
    max_distance: int = MAX_DISTANCE
    width: int = WIDTH
    many: int = MANY
    chroms: tuple[str, ...] | None = None
    base: int | None = None
    target_base: int | None = None
    assembly: str | None = None
    columns: str | None = None
    targets: str | None = None
    snps: str | None = None
    resamples: int = 200
    seed: int = 44

    def __post_init__(self):
        for name, least in (("max_distance", 1), ("width", 1), ("many", 0), ("resamples", 0)):
            value = getattr(self, name)
            if value < least:
                option = "bin_width" if name == "width" else name
                raise ConfigError(f"--{option} is {value}: want at least {least}")


def link_reader(path: str | Path, options: Options) -> LinkReader:
    """Return how a table is read, after its header.

    Raises:
        InputFileError: no table, or a column that is needed is not there.
        ConfigError: a column's role that is none.
    """
    table = open_table(path)
    layout = detect(table.path, table.header, read_roles(options.columns))
    asked = (table.path, table.header, layout)
    snps = read_places(options.snps, "table of SNPs") if options.snps else None
    targets = read_places(options.targets, "table of targets") if options.targets else None
    base = 1 if options.base is None else options.base
    return LinkReader(
        table,
        layout,
        SnpColumns(*asked, snps),
        TargetColumns(*asked, targets),
        Significance.of(*asked, options.asked),
        base,
        base if options.target_base is None else options.target_base,
    )
