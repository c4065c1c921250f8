"""Batch normalisation over all replicas, on any back end, whose statistics can be kept."""

import keras


@keras.saving.register_keras_serializable(package="tfepi")
class BatchNorm(keras.layers.BatchNormalization):
    """Keras's batch normalisation with two changes.

    Statistics of a batch are those of all replicas where Keras can do that (TensorFlow; its own
    layer with `synchronized` could not be loaded on JAX and torch). With `frozen` the moving
    averages are used in training too, and not updated, as is usual in fine-tuning on small
    batches; scale and offset are trained all the same.

    Args:
        frozen: keep and use the moving averages.
        others: as of `keras.layers.BatchNormalization`, without `synchronized`.
    """

    geometry = "pointwise"

    def __init__(self, frozen: bool = False, **kwargs):
        kwargs["synchronized"] = keras.backend.backend() == "tensorflow"
        super().__init__(**kwargs)
        self.frozen = frozen

    def call(self, inputs, training=None, mask=None):
        """Return the normalised inputs, of the same shape."""
        return super().call(inputs, training=training and not self.frozen, mask=mask)

    def get_config(self):
        """Return the arguments."""
        config = {**super().get_config(), "frozen": self.frozen}
        del config["synchronized"]
        return config
