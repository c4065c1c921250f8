"""The law of simulated cell types: from DNA to accessibility and two histone marks.

Six motifs (A, B, C, E, F, P) open chromatin, each through a factor that has a level between 0
and 1 in each cell type: a cell type is nothing but its levels (`CELLS`). With the strength s of a
site (1 for the consensus, see `tfepi.simulate.motifs`) and the level v of its motif's factor,

    openness       o  = v · s
    accessibility  y  = scale · (0.05 + Σ o · profile(distance)),

summed over sites; scale and profile are the assay's (`ASSAYS`): DNase is a broad bump with a
footprint at its centre, ATAC a sharp one with shoulders. What marks an open site carries is
written in the DNA around it and is the same in every cell type. With k = 1 − Π(1 − s) over the
co-factor sites (motif K) within 60 bp, and d = Π(1 − 0.95 s) over the repressor sites (motif D)
within 100 bp, centre to centre,

    carried        c  = (alone + helped · k) · d
    mark           y  = 0.2 + 7 · Σ o · c · bump(distance),

where `alone` and `helped` depend on mark and motif (`MARKS`) and bump is a raised cosine. So
accessibility says which sites are open, but not which marks they carry; sequence says what they
would carry, but not whether they are open. A change of K or D acts on marks and never on
accessibility. Everything is local: sequence more than `REACH` bp away never matters.
"""

from dataclasses import dataclass, field

import numpy as np

from tfepi.simulate.grammar import raised_cosine
from tfepi.simulate.motifs import ALL_MOTIFS, MOTIF_LENGTH, Sites

OPENERS = ("A", "B", "C", "E", "F", "P")
COFACTOR, REPRESSOR = "K", "D"
COFACTOR_DISTANCE = 60
REPRESSOR_DISTANCE = 100
REPRESSED = 0.95
OPEN_BASE = 0.05
MARK_BASE = 0.2
MARK_TOP = 7.0
THRESHOLD = 2.0
_NAMES = tuple(ALL_MOTIFS)


@dataclass(frozen=True)
class Assay:
    """How a way of measuring accessibility shows an open site.

    Attributes:
        name: of the assay.
        scale: factor on everything.
        half_width: bp from the centre to where the bump ends.
        footprint: share of the bump that is missing at the centre.
        footprint_half_width: bp.
        shoulder: height of the bumps on either side.
        shoulder_distance: bp from the centre to theirs.
        shoulder_half_width: bp.
    """

    name: str
    scale: float
    half_width: int
    footprint: float = 0.0
    footprint_half_width: int = 1
    shoulder: float = 0.0
    shoulder_distance: int = 0
    shoulder_half_width: int = 1

    def profile(self) -> np.ndarray:
        """Return the shape of a site: float64, even and symmetric, centred."""
        reach = max(self.half_width, self.shoulder_distance + self.shoulder_half_width)
        shape = np.zeros(2 * reach)
        for height, distance, half_width in (
            (1.0, 0, self.half_width),
            (self.shoulder, -self.shoulder_distance, self.shoulder_half_width),
            (self.shoulder, self.shoulder_distance, self.shoulder_half_width),
        ):
            at = reach + distance
            shape[at - half_width : at + half_width] += height * raised_cosine(half_width)
        dip = slice(reach - self.footprint_half_width, reach + self.footprint_half_width)
        shape[dip] *= 1 - self.footprint * raised_cosine(self.footprint_half_width)
        return shape


@dataclass(frozen=True)
class Cell:
    """A cell type.

    Attributes:
        name: of the cell type.
        assay: that its accessibility is measured by.
        levels: motif → level of its factor; 0 where absent.
        depth: reads of its accessibility, as a factor.
    """

    name: str
    assay: str
    levels: dict[str, float]
    depth: float = 1.0


@dataclass(frozen=True)
class Mark:
    """A histone mark.

    Attributes:
        name: of the mark.
        half_width: bp from a site's centre to where the mark's bump ends.
        alone: motif → share of an open site that carries the mark.
        helped: motif → what a co-factor nearby adds to that.
    """

    name: str
    half_width: int
    alone: dict[str, float]
    helped: dict[str, float] = field(default_factory=dict)


ASSAYS = {
    "DNase": Assay("DNase", 1.0, half_width=150, footprint=0.6, footprint_half_width=14),
    "ATAC": Assay(
        "ATAC",
        2.5,
        half_width=80,
        shoulder=0.35,
        shoulder_distance=180,
        shoulder_half_width=70,
    ),
}
# Each training cell type has a factor of its own, and the one that is held out has these three.
CELLS = (
    Cell("cell1", "DNase", {"A": 1.0, "B": 0.8, "F": 0.9, "P": 0.7}),
    Cell("cell2", "DNase", {"A": 0.9, "C": 0.8, "P": 0.6}, depth=0.5),
    Cell("cell3", "ATAC", {"B": 0.8, "E": 0.9, "P": 0.8}, depth=0.4),
    Cell("cell4", "DNase", {"C": 0.8, "E": 0.7, "F": 0.9, "P": 0.7}, depth=0.8),
)
HELD_OUT = CELLS[3].name
MARKS = (
    Mark("H3K27ac", 200, {"A": 1.0, "E": 0.9, "F": 0.9, "P": 0.9}, {"B": 1.0, "C": 1.0}),
    Mark("H3K4me1", 230, {"A": 0.5, "B": 1.0, "C": 1.0, "F": 0.9, "P": 0.7}),
)
REACH = (
    max(*(m.half_width for m in MARKS), *(len(a.profile()) // 2 for a in ASSAYS.values()))
    + max(COFACTOR_DISTANCE, REPRESSOR_DISTANCE)
    + MOTIF_LENGTH
)


@dataclass(frozen=True)
class Openings:
    """Sites of motifs that open chromatin, with what the DNA around them says.

    Attributes:
        centre: as of `Sites`, ascending, int64 [n].
        motif: index into `ALL_MOTIFS`, int64 [n].
        strength: of the site, float64 [n].
        helped: k of the law, 0 without a co-factor nearby, float64 [n].
        kept: d of the law, 1 without a repressor nearby, float64 [n].
    """

    centre: np.ndarray
    motif: np.ndarray
    strength: np.ndarray
    helped: np.ndarray
    kept: np.ndarray


def openings(sites: Sites) -> Openings:
    """Return the sites that open chromatin.

    Args:
        sites: those of `OPENERS`, `COFACTOR` and `REPRESSOR` at least.
    """
    chosen = np.isin(sites.motif, [_NAMES.index(m) for m in OPENERS])
    centre = sites.centre[chosen]
    helped = 1 - _left(centre, *sites.of(COFACTOR), COFACTOR_DISTANCE)
    at, strength = sites.of(REPRESSOR)
    kept = _left(centre, at, REPRESSED * strength, REPRESSOR_DISTANCE)
    return Openings(centre, sites.motif[chosen], sites.strength[chosen], helped, kept)


def _left(centre: np.ndarray, at: np.ndarray, taken: np.ndarray, distance: int) -> np.ndarray:
    """Return the product of 1 − taken over what lies within a distance of each centre: [n]."""
    left = np.ones(len(centre))
    first = np.searchsorted(centre, at - distance, side="left")
    last = np.searchsorted(centre, at + distance, side="right")
    for low, high, share in zip(first, last, taken, strict=True):
        left[low:high] *= 1 - share
    return left


@dataclass(frozen=True)
class Track:
    """What is measured of a cell type: its accessibility or one of its marks.

    Attributes:
        cell: whose.
        mark: None for accessibility.
    """

    cell: Cell
    mark: Mark | None = None

    @property
    def name(self) -> str:
        """Name of the track, and of its file."""
        return f"{self.cell.name}_{self.mark.name if self.mark else 'accessibility'}"

    def expected(self, length: int, opened: Openings) -> np.ndarray:
        """Return what is measured on average over a sequence: float64 [length], per base.

        Args:
            length: of the sequence, bp.
            opened: its open sites.
        """
        height = _of_motif(self.cell.levels)[opened.motif] * opened.strength
        if self.mark is None:
            assay = ASSAYS[self.cell.assay]
            return assay.scale * (OPEN_BASE + _sum(length, opened, height, assay.profile()))
        alone, helped = _of_motif(self.mark.alone), _of_motif(self.mark.helped)
        carried = (alone[opened.motif] + helped[opened.motif] * opened.helped) * opened.kept
        bump = raised_cosine(self.mark.half_width)
        return MARK_BASE + MARK_TOP * _sum(length, opened, height * carried, bump)


ACCESSIBILITY = tuple(Track(c) for c in CELLS)
MARK_TRACKS = tuple(Track(c, m) for c in CELLS for m in MARKS)
TRACKS = (*ACCESSIBILITY, *MARK_TRACKS)


def _of_motif(values: dict[str, float]) -> np.ndarray:
    """Return a value for each of `ALL_MOTIFS`, 0 where there is none."""
    return np.array([values.get(name, 0.0) for name in _NAMES])


def _sum(length: int, opened: Openings, height: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the sum of a shape at each site, times its height: float64 [length]."""
    half = len(shape) // 2
    total = np.zeros(length + 2 * half)
    there = height > 0
    for centre, top in zip(opened.centre[there].tolist(), height[there].tolist(), strict=True):
        total[centre : centre + 2 * half] += top * shape
    return total[half:-half]
