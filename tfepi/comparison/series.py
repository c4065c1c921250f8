"""What is compared with what: targets of the same identifier, or each model's chosen ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfepi.comparison.sources import Source
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.targets import is_numbered

_MOST = 64
_SHOWN = 4


@dataclass(frozen=True)
class Series:
    """One score of each model: of a target, or the mean over some.

    Attributes:
        label: in tables and figures.
        targets: identifiers by model, of which the mean is taken.
    """

    label: str
    targets: dict[str, tuple[str, ...]]

    def to_json(self) -> dict:
        """Return the JSON value."""
        return {"label": self.label, "targets": {k: list(v) for k, v in self.targets.items()}}


def make_series(sources: Sequence[Source], names: Sequence[str] = ()) -> tuple[Series, ...]:
    """Return what is compared.

    Where each model has one target, or says by a query or `mean` which ones stand for it, there is
    one series, whatever their identifiers; else one of each identifier that all models share.

    Args:
        sources: the models.
        names: identifiers to compare; () for all.

    Raises:
        ConfigError: no common target, too many, or only some models that say which ones stand for
            them.
    """
    chosen = [s.name for s in sources if s.mean]
    if names and chosen:
        raise ConfigError(
            f"--targets {','.join(names)} and the query or mean of {chosen[0]} both choose "
            "targets: leave one out"
        )
    if not names and all(s.mean or len(s.targets) == 1 for s in sources):
        targets = {s.name: tuple(t.identifier for t in s.targets) for s in sources}
        alike = len({*targets.values()}) == 1 and len(sources[0].targets) == 1
        return (Series(sources[0].targets[0].identifier if alike else "chosen", targets),)
    if chosen:
        other = next(s for s in sources if not s.mean and len(s.targets) > 1)
        raise ConfigError(
            f"model {chosen[0]} is compared by the mean over chosen targets, and {other.name} has "
            f"{len(other.targets)}: choose with {other.name}=…,query=…, or take all with ,mean"
        )
    common = [t.identifier for t in sources[0].targets if not is_numbered(t)]
    for source in sources[1:]:
        there = {t.identifier for t in source.targets if not is_numbered(t)}
        common = [name for name in common if name in there]
    for name in names:
        for source in sources:
            there = [t.identifier for t in source.targets]
            if name not in there:
                raise unknown("target", name, there, f"of model {source.name}")
    wanted = list(names) or common
    if not wanted:
        has = "; ".join(f"{s.name} has {_some(s)}" for s in sources)
        raise ConfigError(
            f"the models have no common target: {has}; choose those that stand for each with "
            "NAME=…,query=…, or take the mean of all with ,mean"
        )
    if len(wanted) > _MOST:
        raise ConfigError(
            f"the models share {len(wanted)} targets, want at most {_MOST}: choose with --targets "
            "a,b,…, or a query of each model, whose mean is compared"
        )
    return tuple(Series(n, {s.name: (n,) for s in sources}) for n in wanted)


def _some(source: Source) -> str:
    if all(map(is_numbered, source.targets)):
        return f"{len(source.targets)} without names (name its table with table=…)"
    names = [t.identifier for t in source.targets]
    return ", ".join(names[:_SHOWN]) + (f", … ({len(names)})" if len(names) > _SHOWN else "")
