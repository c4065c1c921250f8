"""The transfer section of params.json: what of a pretrained model is trained, and what is added."""

from dataclasses import dataclass, fields

from tfrecords_tools.errors import ConfigError, unknown

MODES = ("full", "linear", "adapter")
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

    Attributes:
        mode: "full" trains everything, "linear" the head alone, "adapter" the head and an adapter.
        adapter: one of `ADAPTERS`; None unless the mode is "adapter".
        adapter_latent: rank of LoRA on attention, units of Houlsby's bottleneck.
        conv_select: convolutions that get an adapter, counted from the output; None is all.
        conv_latent: rank of LoCon on convolutions, units of squeeze-excite.
        lora_alpha, locon_alpha: the low-rank product is multiplied by alpha / rank.
    """

    mode: str = "full"
    adapter: str | None = None
    adapter_latent: int = 8
    conv_select: int | None = 4
    conv_latent: int = 4
    lora_alpha: float = 16
    locon_alpha: float = 1

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
    params = TransferParams(**section)
    what = f"adapter {params.adapter!r}" if params.adapter else f"mode {params.mode!r}"
    used = ("mode", "adapter", *ADAPTERS.get(params.adapter, ()))
    for key in section:
        if key not in used:
            raise ConfigError(f"{where}: transfer.{key} has no effect with {what}: remove it")
    return params
