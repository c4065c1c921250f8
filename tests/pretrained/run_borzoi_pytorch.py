"""Predictions of borzoi-pytorch's own model in small sizes, in a process without TensorFlow.

Its widths are numbers in its code, and its positions those of 524,288 bp: both are replaced.

    run_borzoi_pytorch.py ARRAYS.npz SIZES.json OUT.npz

ARRAYS: the state dict, and "x" [batch, length, 4]. SIZES: "widths" (published → small),
"positions", "position_features" and "config", the arguments of BorzoiConfig. OUT: human and mouse,
[batch, bins, targets], and "names" of the state dict.
"""

import json
import sys
import types
from pathlib import Path

import borzoi_pytorch.pytorch_borzoi_model as published
import borzoi_pytorch.pytorch_borzoi_transformer as transformer
import numpy as np
import torch


def narrow_layers(widths: dict[str, int]) -> types.ModuleType:
    """Return torch.nn, whose convolutions and norms have the small number for a published one."""

    class Layers(types.ModuleType):
        def __getattr__(self, name):
            return getattr(torch.nn, name)

        def Conv1d(self, in_channels, out_channels, kernel_size, groups=1, **settings):
            sizes = [widths.get(str(n), n) for n in (in_channels, out_channels)]
            groups = widths.get(str(groups), groups)
            return torch.nn.Conv1d(*sizes, kernel_size, groups=groups, **settings)

        def BatchNorm1d(self, channels, **settings):
            return torch.nn.BatchNorm1d(widths.get(str(channels), channels), **settings)

    return Layers("nn")


def main(arrays: str, sizes: str, out: str) -> None:
    sizes = json.loads(Path(sizes).read_text())
    embed, attention = transformer.get_positional_embed, transformer.Attention
    features = {"num_rel_pos_features": sizes["position_features"]}
    published.nn = narrow_layers(sizes["widths"])
    published.Attention = lambda *a, **k: attention(*a, **k | features)
    transformer.get_positional_embed = lambda _, f, device: embed(sizes["positions"], f, device)
    model = published.Borzoi.from_hparams(**sizes["config"]).eval()
    with np.load(arrays) as stored:
        x = torch.tensor(stored["x"]).permute(0, 2, 1)
        model.load_state_dict({n: torch.tensor(stored[n]) for n in stored.files if n != "x"})
    with torch.no_grad():
        found = {
            head: model(x, is_human=head == "human").permute(0, 2, 1).numpy()
            for head in ("human", "mouse")
        }
    np.savez(out, names=list(model.state_dict()), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
