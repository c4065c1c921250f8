"""Options of the Basenji family that mean nothing here: taken with a note, or refused with advice.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Original:
    """An option of the original commands.

    Attributes:
        flags: as it is spelled there.
        text: why it is not needed, or what to use instead.
        values: how many values follow it.
        refused: whether it is an error.
    """

    flags: tuple[str, ...]
    text: str
    values: int = 0
    refused: bool = True


def _note(flags: str, text: str, values: int = 0) -> Original:
    return Original(tuple(flags.split()), text, values, refused=False)


def _refuse(flags: str, text: str, values: int = 0) -> Original:
    return Original(tuple(flags.split()), text, values)


OPTIONS = {
    "train": (
        _note("-k --keras_fit", "one loop trains on any number of devices"),
        _refuse("--tfr_train", "name the label of the shards with --train_label", 1),
        _refuse("--tfr_eval", "name the label of the shards with --valid_label", 1),
        _refuse("-l --log_dir", "events go to the run folder's tensorboard/", 1),
    ),
    "test": (
        _note("--rank", "rank correlations are always computed"),
        _note("--f16", "predictions are float32"),
        _refuse("--peak --peaks", "test on data that were built with --regions peaks"),
        _refuse("--ai", "figures are drawn of every target", 1),
        _refuse("--bi -b --bedgraph_indexes", "tfepi_predict.py --bigwig writes tracks", 1),
        _refuse("--mc", "dropout is never on in tests", 1),
        _refuse("--step", "every bin is tested", 1),
        _refuse("--tfr --tfr_pattern", "name the windows with --label", 1),
    ),
    "variants": (
        _note("-p", "work is divided with --shard i/n", 1),
        _note("--float16", "scores are float32"),
        _note("-c", "a sequence that variants share is predicted once", 1),
        _note("--require_gpu", "the device is in run.json"),
        _refuse("--gcs", "copy the files first"),
        _refuse("--tensorrt", "export with tfepi_export.py"),
    ),
    "predict": (_note("-p --processes", "batches fill the device", 1),),
    "ism": (_note("-p --processes", "batches fill the device", 1),),
}


class _Taken(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        original = self.const
        if original.refused:
            parser.error(f"{option_string} is not an option here: {original.text}")
        sys.stderr.write(f"note: {option_string} is not needed: {original.text}\n")


def add(parser, command: str) -> None:
    """Add a command's options of the originals that it does not share, hidden from --help."""
    for original in OPTIONS[command]:
        parser.add_argument(
            *original.flags,
            action=_Taken,
            const=original,
            nargs=original.values,
            help=argparse.SUPPRESS,
            dest=argparse.SUPPRESS,
        )
