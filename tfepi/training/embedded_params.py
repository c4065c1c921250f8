"""What params.json and a folder of embeddings must agree in; imports nothing heavy."""

from collections.abc import Sequence
from pathlib import Path

from tfepi.params import Params
from tfrecords_tools.data import Data
from tfrecords_tools.embeddings import Embeddings
from tfrecords_tools.errors import ConfigError


def open_embeddings(
    folder: str | Path, params: Params, data: Sequence[Data], labels: Sequence[str]
) -> Embeddings:
    """Return a folder of embeddings after checking all that needs no model.

    Args:
        folder: of `tfepi_embed.py`.
        params: params.json.
        data: the folders of records that heads are to be trained on.
        labels: of training and validation.

    Raises:
        InputFileError: no such folder, or a damaged one.
        ConfigError: several folders, embeddings of other records, augmentation that they do not
            have, or what they do not know: conditioning, weights by coverage.
    """
    found = Embeddings.open(folder)
    if len(data) > 1:
        raise ConfigError(
            f"--embeddings {folder} are of one folder of records, and {len(data)} are named: name "
            "that one alone"
        )
    for what, value in (
        ("conditioning", params.conditioning),
        ("train.coverage_cap", params.train.coverage_cap),
    ):
        if value is not None:
            raise ConfigError(
                f"--embeddings {folder}: params.json has {what}, which embeddings do not know; "
                "leave one of them out"
            )
    section = params.model
    if section.augment_rc and not any(variant.rc for variant in found.variants):
        raise ConfigError(
            f"params.json model.augment_rc is true, but {folder} has one strand: embed with --rc, "
            "or leave it out"
        )
    most = max(abs(variant.shift) for variant in found.variants)
    if section.augment_shift > most:
        raise ConfigError(
            f"params.json model.augment_shift is {section.augment_shift}, but the embeddings in "
            f"{folder} are shifted by at most {most} bp: embed with --shifts, or use {most}"
        )
    found.check(data[0], labels)
    return found
