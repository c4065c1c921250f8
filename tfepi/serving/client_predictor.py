"""A served model as a Predictor: for what no signature computes."""

import numpy as np

from tfepi.sequences import model_inputs
from tfepi.serving.client import Client
from tfrecords_tools.genome import decode


class ServedPredictor:
    """A `spec.Predictor` whose sequences travel as letters and whose predictions travel back.

    Args:
        client: of the model.
    """

    def __init__(self, client: Client):
        self.spec = client.describe().spec
        self._client = client

    def predict(self, inputs: dict[str, object]) -> dict[str, np.ndarray]:
        """As `spec.Predictor.predict`."""
        sequence = model_inputs(inputs, self.spec.inputs)["sequence"]
        if sequence.ndim == 3:
            known = sequence.max(axis=-1) > 0
            sequence = np.where(known, sequence.argmax(axis=-1), 4).astype(np.uint8)
        return self._client.predict_dna([decode(row) for row in sequence])
