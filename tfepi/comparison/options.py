"""What can be chosen when models are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfepi.variants.checks import REF_POLICIES
from tfepi.variants.scores import OF_SHAPE, STATISTICS
from tfrecords_tools.errors import ConfigError, unknown

LOG_RATIO = "logratio"
STATS = (LOG_RATIO, *STATISTICS)
UNSIGNED = (*OF_SHAPE, *(n for n in STATISTICS if n.endswith(("D1", "D2"))))
"""Statistics that say how much changes, not which way."""
EDGES = ("drop", "keep")


@dataclass(frozen=True)
class Comparing:
    """The options that decide a comparison.

    Attributes:
        stat: compared of each variant: "logratio", of the signal in a span that all models
            predict, or a statistic of each model's whole output (`scores.STATISTICS`).
        span: bp around a variant, and around the middle of a region, that are compared; None for
            the shortest output among the models.
        pseudo: of a log ratio: added to both alleles' signal, as a share of the mean signal.
        top: how many variants with the largest scores are compared.
        floor: quantile of a model's |scores| from which a variant's sign counts.
        edges: "drop" leaves out variants and regions whose window runs beyond a chromosome.
        distance_bin: of effect against distance, bp; None for the widest bin of a model.
        targets: identifiers that are compared; () for all that the models share.
        shifts: bp over which every model's predictions are averaged.
        ref_policy: what becomes of records that cannot be scored (`checks.REF_POLICIES`).
        profiles: keep the predictions of both alleles, bin by bin.
        field_repeats: random sequences on which receptive fields are measured; 0 for none.

    Raises:
        ConfigError: an unknown name, or a value out of range.
    """

    stat: str = LOG_RATIO
    span: int | None = None
    pseudo: float = 0.1
    top: tuple[int, ...] = (10, 100, 1000)
    floor: float = 0.5
    edges: str = "drop"
    distance_bin: int | None = None
    targets: tuple[str, ...] = ()
    shifts: tuple[int, ...] = (0,)
    ref_policy: str = "error"
    profiles: bool = True
    field_repeats: int = 4

    def __post_init__(self):
        if self.stat not in STATS:
            raise unknown("statistic", self.stat, STATS, "in --stat")
        if self.edges not in EDGES:
            raise unknown("word", self.edges, EDGES, "in --edges")
        if self.ref_policy not in REF_POLICIES:
            raise unknown("word", self.ref_policy, REF_POLICIES, "in --ref_policy")
        for name in ("span", "distance_bin"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"--{name} is {value} bp: want at least 1")
        if self.field_repeats < 0:
            raise ConfigError(f"--field_repeats is {self.field_repeats}: want 0 or more")
        if not 0 <= self.floor < 1:
            raise ConfigError(f"--floor is {self.floor}: want a quantile from 0 to below 1")
        if not 0 < self.pseudo < float("inf"):
            raise ConfigError(f"--pseudo is {self.pseudo}: want a share above 0")
        if not self.top or min(self.top) < 1 or len(set(self.top)) < len(self.top):
            given = ",".join(map(str, self.top))
            raise ConfigError(f"--top is {given!r}: want different whole numbers from 1")
        if self.stat == LOG_RATIO and not self.profiles:
            raise ConfigError(
                f"--no_profiles drops the predictions of both alleles, which --stat {LOG_RATIO} is "
                "made of: leave it out, or name another --stat, as logSED"
            )


def parse_numbers(text: str, what: str) -> tuple[int, ...]:
    """Return the whole numbers of a comma-separated list.

    Raises:
        ConfigError: something else in it.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{what} is {text!r}: want whole numbers separated by commas") from None


def parse_tracks(texts: Sequence[str]) -> dict[str | None, str]:
    """Return target → track of [TARGET=]TRACK; None where no target is named.

    Raises:
        ConfigError: two tracks of one target.
    """
    found: dict[str | None, str] = {}
    for text in texts:
        label, sign, path = text.rpartition("=")
        key = label if sign else None
        if key in found:
            of = f"of {key}" if key else "without a target"
            raise ConfigError(f"--observed names two tracks {of}, {found[key]} and {path}")
        found[key] = path
    return found
