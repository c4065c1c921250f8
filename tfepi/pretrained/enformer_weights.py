"""Enformer's published weights: measured, compared with a model, put into one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tfepi.models.enformer import tower_widths
from tfepi.pretrained.enformer_names import FROM_CHECKPOINT, FROM_TORCH, Name, enformer_names
from tfepi.pretrained.object_paths import ObjectArrays
from tfepi.pretrained.state_dict import Row, StateDict, assign, misfit
from tfrecords_tools.errors import ConfigError

_WIDTH_ROUNDING = 128  # of the published model
# Sonnet's averages before they are corrected, and the number of steps that is done with.
_AVERAGING = ("_hidden", "_counter")
_BUFFERS = ("num_batches_tracked", "positions")


@dataclass(frozen=True)
class EnformerWeights:
    """Arrays of an Enformer under their published names.

    Attributes:
        arrays: by name.
        form: the names' field of `Name`, "checkpoint" or "torch".
        beside: names of other arrays in the same file, for which no model has a place.
    """

    arrays: StateDict
    form: str
    beside: tuple[str, ...] = ()

    @property
    def depth(self) -> int:
        """Number of transformer layers."""
        inner = "_trunk/_layers/2/_layers/" if self.form == "checkpoint" else r"transformer\."
        return 1 + max((int(n) for n in self._parts(rf"{inner}(\d+)[/.].*")), default=-1)

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads, sorted."""
        return tuple(sorted(self._parts(r"_heads[/.]([^/.]+)[/.].*")))

    def sizes(self) -> dict:
        """Return the sizes that the arrays tell, as keywords of `tfepi.models.enformer`.

        Raises:
            ConfigError: arrays are missing or left over, or have shapes that no Enformer has.
        """
        names = enformer_names(self.depth, self.heads)
        self.check(names)
        vectors = {  # these are small
            name.layer: self.arrays[self._key(name)].shape
            for name in names
            if name.weight in ("bias", "content_bias")
        }
        try:
            widths = [vectors[f"tower{n}_conv"][0] for n in range(1, 7)]
            outputs = {head: vectors[f"head_{head}_dense"][0] for head in self.heads}
            _, attention_heads, _, key_size = vectors["transformer0_attention"]
        except (IndexError, KeyError, ValueError):
            raise ConfigError(
                f"{self.arrays.source} is of no Enformer: it has no transformer layer, or biases "
                "of other shapes; give the weights of one"
            ) from None
        return {
            "channels": widths[-1],
            "width_rounding": self._rounding(widths),
            "transformer_layers": self.depth,
            "attention_heads": attention_heads,
            "key_size": key_size,
            "output_heads": outputs,
        }

    def check(
        self, names: Sequence[Name], trunk: bool = False, stated: str = "params.json states"
    ) -> None:
        """Check that there is an array of each name and no other.

        Args:
            names: of the model.
            trunk: they are of the trunk alone; heads are passed over.
            stated: what says the model's number of transformer layers, for messages.

        Raises:
            ConfigError: all that are missing or left over, and either number of transformer
                layers if they differ.
        """
        wanted = dict.fromkeys(self._key(name) for name in names)
        missing = [key for key in wanted if key not in self.arrays]
        passed_over = self._passed_over(wanted, trunk)
        extra = [key for key in self.arrays if key not in wanted and key not in passed_over]
        extra += self.beside
        if missing or extra:
            depth = len({name.layer for name in names if name.weight == "content_bias"})
            other_depth = f"it has {self.depth} transformer layers, {stated} {depth}"
            raise misfit(
                self.arrays.source, missing, extra, other_depth if depth != self.depth else ""
            )

    def fill(self, model: keras.Model, trunk: bool = False) -> None:
        """Put the arrays into a model: all of them, or none and an error.

        Args:
            model: of `tfepi.models.enformer`.
            trunk: leave its heads as they are; the arrays may be of others.

        Raises:
            ConfigError: arrays that are missing or left over (all of them), the first whose shape
                is not the model's (both shapes), or a model of other layers.
            InputFileError: an array that has other than finite numbers.
        """
        names = self._names_of(model, trunk)
        rows = self.rows(model, names)
        self.check(names, trunk)
        source = str(self.arrays.source)
        assign(self.arrays, rows, source, self._passed_over([row[0] for row in rows], trunk))

    def differing(self, model: keras.Model, heads: Sequence[str]) -> tuple[int, list[str]]:
        """Return how many arrays were compared, and the names of those that a model has not.

        Args:
            model: of these weights, with some of their heads.
            heads: their names.

        Raises:
            ConfigError: a model without the weights' layers.
        """
        names = enformer_names(self.depth, heads)
        differing = []
        for key, variable, transform in self.rows(model, names):
            array = self.arrays[key] if transform is None else transform(self.arrays[key])
            if not np.array_equal(keras.ops.convert_to_numpy(variable), array):
                differing.append(key)
        return len(names), differing

    def rows(self, model: keras.Model, names: Sequence[Name]) -> list[Row]:
        """Return the name of each array, the variable it fills and how its axes change.

        Raises:
            ConfigError: a model without one of the layers.
        """
        transforms = FROM_CHECKPOINT if self.form == "checkpoint" else FROM_TORCH
        variables = {
            (layer.name, weight.name): weight for layer in model.layers for weight in layer.weights
        }
        for name in names:
            if (name.layer, name.weight) not in variables:
                raise ConfigError(
                    f"the weights of {self.arrays.source} are Enformer's, and the model has no "
                    f'layer {name.layer} of theirs: name the model "enformer" in params.json'
                )
        return [
            (self._key(name), variables[name.layer, name.weight], transforms.get(name.layout))
            for name in names
        ]

    def _names_of(self, model: keras.Model, trunk: bool) -> tuple[Name, ...]:
        layers = [layer.name for layer in model.layers if layer.weights]
        depth = sum(bool(re.fullmatch(r"transformer\d+_attention", name)) for name in layers)
        several = isinstance(model.output, dict)
        if not (trunk or several):
            raise ConfigError(
                f"the model of params.json has one head without a name, {self.arrays.source} has "
                f"{' and '.join(self.heads) or 'none'}: take the trunk alone, with --head new, or "
                "name heads in params.json"
            )
        names = enformer_names(depth, tuple(model.output) if several and not trunk else ())
        known = {name.layer for name in names}
        for layer in layers:
            if layer not in known and not (trunk and layer.startswith("head")):
                raise ConfigError(
                    f"the weights of {self.arrays.source} are Enformer's, which has no layer "
                    f'{layer}: name the model "enformer" in params.json'
                )
        return names

    def _key(self, name: Name) -> str:
        return getattr(name, self.form)

    def _parts(self, pattern: str) -> dict[str, None]:
        return dict.fromkeys(m[1] for key in self.arrays if (m := re.fullmatch(pattern, key)))

    def _passed_over(self, wanted: Sequence[str], trunk: bool) -> set[str]:
        """Return names of what holds no weights of the model, which may be there."""
        found = set()
        if isinstance(self.arrays, ObjectArrays):
            found = self.arrays.ways_to(wanted)
        for key in self.arrays:
            parts = re.split(r"[/.]", key)
            known = parts[-1] in (_AVERAGING if self.form == "checkpoint" else _BUFFERS)
            if known or (trunk and parts[0] == "_heads"):
                found.add(key)
        return found

    def _rounding(self, widths: Sequence[int]) -> int:
        whole, channels = int(np.gcd.reduce(widths)), widths[-1]
        for rounding in (_WIDTH_ROUNDING, *range(min(whole, channels // 2), 0, -1)):
            if whole % rounding == 0 and tower_widths(channels, rounding) == list(widths):
                return rounding
        raise ConfigError(
            f"{self.arrays.source} is of no Enformer: its blocks have {', '.join(map(str, widths))}"
            f" channels, which do not grow by one factor from half of {channels} to all"
        )
