"""What to simulate of methylation, association and traits."""

from dataclasses import dataclass

from tfepi.simulate.settings import VARIANT_STREAM, GenomeSettings
from tfrecords_tools.errors import ConfigError

HAPLOTYPE_STREAM, ARRAY_STREAM, MQTL_STREAM, TRAIT_STREAM = range(
    VARIANT_STREAM + 1, VARIANT_STREAM + 5
)
_CAUSAL_EVERY, _MOST_CAUSAL = 100_000, 40


@dataclass(frozen=True)
class MethylationSimulation(GenomeSettings):
    """A genome with methylation, variants, people of two ancestries and a trait.

    Attributes:
        length: of the genome, bp; divided over the chromosomes 30:25:20:15:10, repeating.
        chromosomes: how many.
        variants: lines of the VCF.
        depth: factor on the coverage, which is 20 reads per CpG on average; more is less noise.
        subjects: people on the array.
        mqtl_people: people whose methylation is tested against their genotypes.
        discovery: people of the GWAS.
        target: further people of the same ancestry.
        other: people of the second ancestry.
        heritability: share of the trait's variance that genotypes explain in `discovery`.
        seed: of every random choice.
    """

    length: int = 2_000_000
    chromosomes: int = 5
    variants: int = 8_000
    depth: float = 1.0
    subjects: int = 21
    mqtl_people: int = 150
    discovery: int = 4_000
    target: int = 600
    other: int = 600
    heritability: float = 0.35
    seed: int = 44

    def __post_init__(self):
        self.check("length", "chromosomes", "depth", "subjects", "target", "other")
        for name in ("mqtl_people", "discovery"):
            if getattr(self, name) < 10:
                raise ConfigError(f"{name} is {getattr(self, name)}, want 10 people or more")
        if not 0 < self.heritability < 1:
            raise ConfigError(f"heritability is {self.heritability}, want it between 0 and 1")

    @property
    def causal(self) -> int:
        """Variants wanted that act on the trait."""
        return max(1, min(_MOST_CAUSAL, self.length // _CAUSAL_EVERY))
