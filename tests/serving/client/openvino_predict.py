"""Predictions of a SavedModel by OpenVINO, run in an environment that has it.

    openvino_predict.py SAVED_MODEL IN.npy OUT.npz

IN is one-hot float32 [batch, length, 4]; OUT has an array by output.
"""

import sys

import numpy as np
import openvino

folder, given, out = sys.argv[1:]
model = openvino.convert_model(folder)
compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
found = compiled({"sequence": np.load(given)})
np.savez(out, **{key.get_any_name(): value for key, value in found.items()})
