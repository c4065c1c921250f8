"""Which data each head of a model learns from: folder by folder, or tissue by tissue."""

import logging
from collections.abc import Sequence

from tfepi.model_params import BASENJI, TISSUES, check_head_name
from tfepi.params import Params
from tfepi.training.cells import (
    make_conditioning,
    trained_targets,
    training_examples,
    validation_examples,
)
from tfepi.training.head import Source
from tfepi.training.state import Settings
from tfrecords_tools.conditioning import head_targets
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.joined import join, pool_labels
from tfrecords_tools.targets import select

log = logging.getLogger(__name__)


def pair_heads(params: Params, data: Sequence[Data], settings: Settings) -> list[Source]:
    """Return what each head learns from.

    A model with one head learns from all folders, whose targets must be the same. Of one with
    several, the folders go with the heads in their order; a trunk-and-head section's heads
    without a folder are left out. Heads of a model function may also share one folder: each then
    has the targets of the tissue that it is named after.

    Raises:
        ConfigError: more folders than heads, folders that cannot be joined, a label that is not
            there, a head without a tissue, a tissue without a head, or data of two kinds.
    """
    pairs = _pairs(params, data)
    if settings.targets and len(pairs) > 1:
        raise ConfigError(
            "--targets or --query choose among the targets of one head, this model has the heads "
            f"{', '.join(head for head, *_ in pairs)}: leave them out, and write each head's "
            "targets as a folder with tfepi_records.py select --query"
        )
    labels = (settings.train_label, settings.valid_label)
    if params.conditioning is not None:
        if len(pairs) > 1:
            raise ConfigError("a conditioned model has one head: remove the others")
        return [_conditioned(params, *pairs[0][:2], settings)]
    if settings.hold_out:
        raise ConfigError(
            f"--hold_out {','.join(settings.hold_out)}: params.json has no conditioning section, "
            "so cell types mean nothing to this model; choose targets with --targets"
        )
    found = []
    for head, folder, chosen in pairs:
        folder = pool_labels(folder, labels)
        if settings.targets:
            chosen = select(folder.targets, list(settings.targets))
        found.append(Source(head, folder, chosen, tuple(folder.targets[i] for i in chosen)))
    return found


def _pairs(params: Params, data: Sequence[Data]) -> list[tuple[str, Data, tuple[int, ...]]]:
    """Return each head with its data and the positions of its targets there."""
    _check_kinds(data)
    if params.model.heads == TISSUES:
        return _by_tissue(None, join(data))
    if params.model.name == BASENJI:
        heads = tuple(params.model.keywords["heads"])
    else:
        heads = params.model.heads or ("output",)
        if params.model.heads and len(data) == 1 and _tissues(data[0]):
            return _by_tissue(heads, data[0])
    if len(heads) == 1:
        pairs = [(heads[0], join(data))]
    elif len(data) > len(heads) or (len(data) < len(heads) and params.model.heads):
        raise ConfigError(
            f"{len(data)} data folder{'s' if len(data) > 1 else ''} for the {len(heads)} heads "
            f"{', '.join(heads)}: name one for each head, in the order of the heads"
            + (", or one whose targets.txt has a column 'tissue'" if params.model.heads else "")
        )
    else:
        pairs = list(zip(heads, data, strict=False))
        _check_order(pairs)
        if len(data) < len(heads):
            log.warning("heads without data, left out: %s", ", ".join(heads[len(data) :]))
    return [(head, folder, tuple(range(len(folder.targets)))) for head, folder in pairs]


def _check_order(pairs: Sequence[tuple[str, Data]]) -> None:
    """Refuse folders of tissues that heads are named after, in another order than the heads'."""
    heads = [head for head, _ in pairs]
    for head, folder in pairs:
        others = [t for t in _tissues(folder) if t in heads and t != head]
        if others:
            raise ConfigError(
                f"head {head!r} would learn from {folder.folder}, whose targets are of tissue "
                f"{others[0]!r}: name the folders in the order of the heads, {', '.join(heads)}"
            )


def _tissues(data: Data) -> tuple[str, ...]:
    """Return the tissues of the targets of a data folder, in their order."""
    return tuple(dict.fromkeys(t.tissue for t in data.targets if t.tissue is not None))


def _by_tissue(heads: tuple[str, ...] | None, data: Data) -> list:
    """Return each head with the data and the positions of its tissue's targets.

    Args:
        heads: names of tissues; None is one of each tissue of the data.
        data: of all of them.

    Raises:
        ConfigError: a head without a tissue, a tissue without a head, a target without tissue.
    """
    tissues = _tissues(data)
    without = [t.identifier for t in data.targets if t.tissue is None]
    if without:
        raise ConfigError(
            f"target {without[0]!r} of {data.folder} has no tissue, so no head is its own: name "
            "one in the sample table and build again, or write tissue into targets.txt"
        )
    named = ", ".join(tissues)
    for head in heads or ():
        if head not in tissues:
            raise ConfigError(
                f"head {head!r} of params.json is no tissue of {data.folder}, which has {named}: "
                "name the heads after these"
            )
    for tissue in tissues:
        if heads is not None and tissue not in heads:
            raise ConfigError(
                f"tissue {tissue!r} of {data.folder} has no head in params.json, which names "
                f"{', '.join(heads)}: add one, or build the data without it"
            )
        check_head_name(tissue, f"the tissue of targets in {data.folder}")
    chosen = {
        tissue: tuple(i for i, t in enumerate(data.targets) if t.tissue == tissue)
        for tissue in tissues
    }
    return [(head, data, chosen[head]) for head in heads or tissues]


def _check_kinds(data: Sequence[Data]) -> None:
    for folder in data[1:]:
        if folder.kind != data[0].kind:
            raise ConfigError(
                f"{data[0].folder} holds {data[0].kind}, {folder.folder} {folder.kind}: train a "
                "model on data of one kind"
            )


def _conditioned(params: Params, head: str, data: Data, settings: Settings) -> Source:
    """Return what a conditioned model learns from."""
    if settings.targets:
        raise ConfigError(
            "--targets and conditioning exclude each other: the targets are those of the cell "
            "types that are not held out (--hold_out)"
        )
    data = pool_labels(data, (settings.train_label, settings.valid_label))
    section = params.conditioning
    found = make_conditioning(section, data, settings.train_label, settings.hold_out)
    return Source(
        head,
        data,
        trained_targets(data, found),
        head_targets(data.targets, found),
        training_examples(section, found),
        validation_examples(section, found),
    )
