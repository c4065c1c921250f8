"""Pretrained layers whose kernels a few new weights change: low-rank updates and rescaling.

Each stands in for a layer of the same name, shapes and arguments. The weights it takes over are
frozen, the new ones are trained, and at first they change nothing. `plain` and `as_used` give
back an ordinary layer that does the same.
"""

import keras
from keras import ops

from tfepi.layers.attention import MultiheadAttention
from tfrecords_tools.errors import ConfigError

PROJECTIONS = ("query", "key", "value", "output")


class Adapted:
    """What adapted layers share; mixed into the layer that is adapted.

    Attributes:
        base: the layer it stands in for.
        arguments: names of its own arguments.
        pretrained: the weights it took over, in the base's order.
    """

    base: type[keras.layers.Layer]
    arguments: tuple[str, ...] = ()
    # Keras's own would save the kernel as it is used, and so merge what is still being trained.
    save_own_variables = keras.layers.Layer.save_own_variables
    load_own_variables = keras.layers.Layer.load_own_variables

    def add_weight(self, *args, **kwargs):
        """Add a weight of the base, frozen whatever the base asks for."""
        return super().add_weight(*args, **{**kwargs, "trainable": False})

    def add_new(self, name, shape, initializer):
        """Add a weight of the adapter."""
        return super().add_weight(name=name, shape=shape, initializer=initializer)

    def build(self, input_shape):
        """Create the base's weights, then the new ones of each kernel that is changed."""
        super().build(input_shape)
        self.pretrained = list(self.weights)
        changed = self.changed_kernels()
        self.changes = {w.name: self.add_change(w) for w in self.pretrained if w.name in changed}

    def changed_kernels(self):
        """Return the names of the kernels that are changed."""
        return ("kernel",)

    def as_used(self, weight):
        """Return a weight of the base as this layer uses it."""
        if weight.name not in self.changes:
            return weight
        return self.change(weight, self.changes[weight.name])

    def plain(self) -> keras.layers.Layer:
        """Return a new layer of the base's kind; its weights are this one's as used."""
        config = {k: v for k, v in self.get_config().items() if k not in self.arguments}
        return self.base.from_config(config)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in self.arguments}}


class LowRank(Adapted):
    """Kernels W + (alpha / latent)·A·B, A random and B zero at first (Hu et al. 2021, §4.1).

    A has W's shape with `latent` in place of the last axis, B is [latent, W's last axis].

    Args:
        latent: rank.
        alpha: see the formula.

    Raises:
        ConfigError: the rank is larger than a kernel's last axis (when built).
    """

    arguments = ("latent", "alpha")

    def __init__(self, *, latent: int, alpha: float, **kwargs):
        super().__init__(**kwargs)
        self.latent = latent
        self.alpha = alpha

    def add_change(self, kernel):
        """Create A and B of a kernel."""
        units = kernel.shape[-1]
        if self.latent > units:
            raise ConfigError(
                f"layer {self.name}: a low-rank update of rank {self.latent} is no saving for "
                f"{units} outputs: want a rank of at most {units}"
            )
        down = (*kernel.shape[:-1], self.latent)
        return (
            self.add_new(f"{kernel.name}_down", down, "he_uniform"),
            self.add_new(f"{kernel.name}_up", (self.latent, units), "zeros"),
        )

    def change(self, kernel, weights):
        """Return the updated kernel."""
        return kernel + (self.alpha / self.latent) * ops.matmul(*weights)


@keras.saving.register_keras_serializable(package="tfepi")
class LoraConv1D(LowRank, keras.layers.Conv1D):
    """A convolution with a low-rank update ("LoCon"; Yeh et al. 2024, LyCORIS).

    It is a convolution to `latent` channels followed by one of width 1, added to the pretrained.
    """

    base = keras.layers.Conv1D
    geometry = "local"

    @property
    def kernel(self):
        """The updated kernel."""
        return self.as_used(super().kernel)


def _as_used(attribute: str) -> property:
    """Return a property that keeps what attention assigns to it, and gives it as it is used."""
    stored = f"_pretrained_{attribute}"

    def get(self):
        kernels = getattr(self, stored)
        if isinstance(kernels, list):
            return [self.as_used(kernel) for kernel in kernels]
        return self.as_used(kernels)

    def put(self, kernels):
        setattr(self, stored, kernels)

    return property(get, put)


class AdaptedAttention(Adapted, MultiheadAttention):
    """Attention some of whose projections are changed, those in `projections`."""

    base = MultiheadAttention
    query = _as_used("query")
    key = _as_used("key")
    value = _as_used("value")
    output_kernel = _as_used("output_kernel")

    def changed_kernels(self):
        """Return the names of the kernels that are changed."""
        # Of separable projections it is the pointwise one, which makes the output's channels.
        return [f"{p}{part}_kernel" for p in self.projections for part in ("", "_pointwise")]


@keras.saving.register_keras_serializable(package="tfepi")
class LoraAttention(LowRank, AdaptedAttention):
    """Attention with low-rank updates of its projections (Hu et al. 2021).

    Args:
        projections: which, of `PROJECTIONS`.
    """

    arguments = ("latent", "alpha", "projections")

    def __init__(self, *, projections: tuple[str, ...] = ("query", "value"), **kwargs):
        super().__init__(**kwargs)
        self.projections = list(projections)


class Rescaled(Adapted):
    """Kernels W multiplied by one learned factor, 1 at first, per position of one axis.

    Attributes:
        axis: of the kernel: −1 rescales the layer's outputs, −2 its inputs.
    """

    axis = -1

    def add_change(self, kernel):
        """Create the factors of a kernel."""
        return self.add_new(f"{kernel.name}_scale", (kernel.shape[self.axis],), "ones")

    def change(self, kernel, weights):
        """Return the rescaled kernel."""
        return kernel * (weights if self.axis == -1 else ops.expand_dims(weights, -1))


@keras.saving.register_keras_serializable(package="tfepi")
class IA3Dense(Rescaled, keras.layers.Dense):
    """A dense layer whose inputs are rescaled (l_ff of IA³; Liu et al. 2022, §3.3)."""

    base = keras.layers.Dense
    geometry = "pointwise"
    axis = -2

    @property
    def kernel(self):
        """The rescaled kernel."""
        return self.as_used(super().kernel)


@keras.saving.register_keras_serializable(package="tfepi")
class IA3Attention(Rescaled, AdaptedAttention):
    """Attention whose keys and values are rescaled (l_k and l_v of IA³; Liu et al. 2022, §3.3)."""

    projections = ("key", "value")
