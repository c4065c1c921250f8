"""The transfer section of params.json: what of a pretrained model is trained, and what is added."""

import math
from dataclasses import dataclass, field, fields, replace

from tfrecords_tools.errors import ConfigError, unknown

MODES = ("full", "linear", "adapter")
# The keys that the mode "full" reads besides: what of the model is trained, and how fast.
FULL = ("freeze", "rates", "layer_decay", "batch_norm")
BATCH_NORMS = ("frozen", "trained")
# The keys that each adapter reads besides mode and adapter.
ADAPTERS = {
    "lora": ("adapter_latent", "lora_alpha"),
    "lora_full": ("adapter_latent", "lora_alpha"),
    "lora_conv": ("adapter_latent", "lora_alpha", "conv_select"),
    "locon": ("adapter_latent", "lora_alpha", "conv_select", "conv_latent", "locon_alpha"),
    "ia3": (),
    "houlsby": ("adapter_latent",),
    "houlsby_se": ("adapter_latent", "conv_select", "conv_latent"),
    "se": ("conv_select", "conv_latent"),
}


@dataclass(frozen=True)
class TransferParams:
    """The transfer section; names and defaults are Baskerville's, the adapter "se" is ours.

    `freeze`, `rates`, `layer_decay` and `batch_norm` are ours, too; they go with the mode "full".

    Attributes:
        mode: "full" trains everything, "linear" the head alone, "adapter" the head and an adapter.
        adapter: one of `ADAPTERS`; None unless the mode is "adapter".
        adapter_latent: rank of LoRA on attention, units of Houlsby's bottleneck.
        conv_select: convolutions that get an adapter, counted from the output; None is all.
        conv_latent: rank of LoCon on convolutions, units of squeeze-excite.
        lora_alpha, locon_alpha: the low-rank product is multiplied by alpha / rank.
        freeze: shell patterns of the names of layers that are not trained.
        rates: shell pattern of layers' names → factor on their learning rate; the first that
            matches holds.
        layer_decay: factor on the learning rate from one group of layers to the next, from the
            head down; None is 1.
        batch_norm: "frozen" uses the pretrained model's moving averages in the trunk and leaves
            them as they are; "trained" goes on as in training. A section of mode "full" that does
            not say is "frozen", no section at all is "trained".
    """

    mode: str = "full"
    adapter: str | None = None
    adapter_latent: int = 8
    conv_select: int | None = 4
    conv_latent: int = 4
    lora_alpha: float = 16
    locon_alpha: float = 1
    freeze: tuple[str, ...] = ()
    rates: dict[str, float] = field(default_factory=dict)
    layer_decay: float | None = None
    batch_norm: str = "trained"

    def __post_init__(self):
        if self.mode not in MODES:
            raise unknown("mode", self.mode, MODES, "in transfer of params.json")
        if self.mode != "adapter" and self.adapter is not None:
            raise ConfigError(
                f"params.json transfer.adapter is {self.adapter!r}, but mode {self.mode!r} has no "
                'adapter: write "mode": "adapter", or leave it out'
            )
        if self.mode == "adapter" and self.adapter is None:
            # The original tool would train everything.
            raise ConfigError(
                "params.json transfer has mode 'adapter' and names none: add \"adapter\", one of "
                + ", ".join(ADAPTERS)
            )
        if self.mode == "adapter" and self.adapter not in tuple(ADAPTERS):
            raise unknown("adapter", self.adapter, ADAPTERS, "in transfer of params.json")
        for name, kinds, noun in (
            ("adapter_latent", int, "a whole number of at least 1"),
            ("conv_select", int, "a whole number of at least 1, or null for all"),
            ("conv_latent", int, "a whole number of at least 1"),
            ("lora_alpha", (int, float), "a number above 0"),
            ("locon_alpha", (int, float), "a number above 0"),
        ):
            value = getattr(self, name)
            if name == "conv_select" and value is None:
                continue
            lowest = 1 if kinds is int else 0
            is_kind = isinstance(value, kinds) and not isinstance(value, bool)
            if not is_kind or value < lowest or value == 0:
                raise ConfigError(f"params.json transfer.{name} is {value!r}, want {noun}")
        if self.batch_norm not in BATCH_NORMS:
            raise unknown("batch_norm", self.batch_norm, BATCH_NORMS, "in transfer of params.json")
        self._check_layers()

    def _check_layers(self) -> None:
        are_names = isinstance(self.freeze, (list, tuple)) and all(
            isinstance(pattern, str) and pattern for pattern in self.freeze
        )
        if not are_names:
            raise ConfigError(
                f"params.json transfer.freeze is {self.freeze!r}, want a list of patterns of "
                'layer names, for instance ["conv*"]'
            )
        if not isinstance(self.rates, dict):
            raise ConfigError(
                f"params.json transfer.rates is {self.rates!r}, want a factor for each pattern of "
                'layer names, for instance {"conv*": 0.1}'
            )
        for pattern, factor in self.rates.items():
            if not _is_number(factor) or not 0 < factor < math.inf:
                raise ConfigError(
                    f"params.json transfer.rates has {factor!r} for {pattern!r}, want a number "
                    "above 0; layers that are not to be trained stand in freeze"
                )
        if self.layer_decay is None:
            return
        if not _is_number(self.layer_decay) or not 0 < self.layer_decay <= 1:
            raise ConfigError(
                f"params.json transfer.layer_decay is {self.layer_decay!r}, want a number above 0, "
                "at most 1"
            )
        if self.rates:
            raise ConfigError(
                "params.json transfer has both rates and layer_decay, which set the same factors: "
                "leave one of them out"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def parse_transfer(section: dict, where: str = "params.json") -> TransferParams:
    """Return the parameters of a params.json's transfer section.

    Args:
        section: its value.
        where: the file, for messages.

    Raises:
        ConfigError: no section, an unknown key, one that the mode or adapter does not read, or a
            value out of range.
    """
    if not isinstance(section, dict):
        raise ConfigError(f"{where}: transfer is {section!r}, want a section")
    allowed = [f.name for f in fields(TransferParams)]
    for key in section:
        if key not in allowed:
            raise unknown("key", key, allowed, f"in transfer of {where}")
    default = {"batch_norm": "frozen"} if section.get("mode", "full") == "full" else {}
    params = TransferParams(**(default | section))
    params = replace(params, freeze=tuple(params.freeze))
    what = f"adapter {params.adapter!r}" if params.adapter else f"mode {params.mode!r}"
    used = ("mode", "adapter", *ADAPTERS.get(params.adapter, ()))
    used += FULL if params.mode == "full" else ()
    for key in section:
        if key not in used:
            raise ConfigError(f"{where}: transfer.{key} has no effect with {what}: remove it")
    return params
