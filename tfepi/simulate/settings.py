"""What to simulate, how long the chromosomes are, and where each random choice comes from."""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from tfepi.simulate.marks import CELLS
from tfrecords_tools.errors import ConfigError

GENOME_STREAM, TRACK_STREAM, VARIANT_STREAM = range(3)
_SHARES = (0.30, 0.25, 0.20, 0.15, 0.10)
_SHORTEST = 10_000


class GenomeSettings:
    """What the settings of every simulation have; those are dataclasses with these attributes.

    Attributes:
        length: of the genome, bp; divided over the chromosomes 30:25:20:15:10, repeating.
        chromosomes: how many.
        variants: lines of the VCF.
        seed: of every random choice.
    """

    length: int
    chromosomes: int
    variants: int
    seed: int

    def check(self, *positive: str) -> None:
        """Refuse what cannot be simulated.

        Args:
            positive: attributes that must be above 0.

        Raises:
            ConfigError: one is not, variants or seed is negative, or a chromosome is too short.
        """
        for name in positive:
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, want a positive number")
        if self.variants < 0 or self.seed < 0:
            raise ConfigError(
                f"variants is {self.variants} and seed {self.seed}: want whole numbers from 0 up"
            )
        if min(self.lengths.values()) < _SHORTEST:
            raise ConfigError(
                f"a genome of {self.length} bp on {self.chromosomes} chromosomes has one of "
                f"{min(self.lengths.values())} bp, want {_SHORTEST} or more: make it longer"
            )

    def with_options(self, **options: object) -> Self:
        """Return these settings with some changed.

        Raises:
            ConfigError: they do not have such an option, or not such a value.
        """
        has = {f.name for f in fields(self)}
        for name, value in options.items():
            if name not in has:
                raise ConfigError(
                    f"--{name} is {value}, but this kind of simulation has no {name}: leave it out"
                )
        return replace(self, **options)

    @property
    def lengths(self) -> dict[str, int]:
        """Chromosome name → length in bp."""
        share = np.array([_SHARES[n % len(_SHARES)] for n in range(self.chromosomes)])
        bp = np.floor(share / share.sum() * self.length).astype(int).tolist()
        return {f"chr{n + 1}": length for n, length in enumerate(bp)}

    def variants_up_to(self, number: int) -> int:
        """Return how many variants lie on the first chromosomes, `number` of them."""
        return self.share_up_to(self.variants, number)

    def share_up_to(self, count: int, number: int) -> int:
        """Return how many of `count` things lie on the first chromosomes, `number` of them."""
        lengths = list(self.lengths.values())
        return count * sum(lengths[:number]) // sum(lengths)

    def rng(self, stream: int, *key: int) -> np.random.Generator:
        """Return the random stream of one purpose; streams do not depend on one another."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream, *key)))


@dataclass(frozen=True)
class Simulation(GenomeSettings):
    """A genome with a signal, or with accessibility and marks, in several cell types.

    Attributes:
        length: of the genome, bp; divided over the chromosomes 30:25:20:15:10, repeating.
        chromosomes: how many.
        tracks: cell types.
        variants: lines of the VCF.
        bin_width: bp over which a variant's true effect is taken.
        depth: reads per unit of signal, or a factor on them with marks; more is less noise.
        seed: of every random choice.
        marks: simulate the accessibility and histone marks of `CELLS` in place of one signal per
            cell type.
    """

    length: int = 3_000_000
    chromosomes: int = 5
    tracks: int = 3
    variants: int = 400
    bin_width: int = 192
    depth: float = 1.0
    seed: int = 44
    marks: bool = False

    def __post_init__(self):
        if self.bin_width % 2:
            raise ConfigError(f"bin_width is {self.bin_width}, want an even number of bp")
        if self.marks and self.tracks != len(CELLS):
            raise ConfigError(
                f"tracks is {self.tracks}, but marks are simulated in {len(CELLS)} cell types: "
                "leave it out"
            )
        self.check("length", "chromosomes", "tracks", "bin_width", "depth")

    @classmethod
    def large(cls, seed: int = 44) -> "Simulation":
        """Return the genome for benchmarks: 20 Mb, six tracks."""
        return cls(length=20_000_000, tracks=6, variants=500, seed=seed)

    @classmethod
    def with_marks(cls, seed: int = 44) -> "Simulation":
        """Return the genome for conditioning: 3 Mb, four cell types, two marks."""
        return cls(tracks=len(CELLS), variants=600, seed=seed, marks=True)
