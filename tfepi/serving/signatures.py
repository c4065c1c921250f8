"""What a SavedModel can be asked: its signatures, each a graph that checks its request first.

Every input and output has the batch as its first axis, so that a server can merge requests.

- `predict` (= `serving_default`): {"sequence": float32 [batch, length, 4]}.
- `predict_indices`: {"sequence": uint8 [batch, length]}, 4 for N.
- `predict_dna`: {"sequence": string [batch]}. Each gives {head: float32 [batch, bins, targets]}.
- `score_variants`: {"ref", "alt": string [batch]}, whole sequences of the model's length.
- `score_alleles`: {"window": string [batch], "offset": int32 [batch], "ref", "alt": string
  [batch]}, alleles and the genome around them. Both give each statistic, float32 [batch, targets]
  (REF and ALT: [batch, bins, targets]).
- `describe`: {"row": int32 [batch]}, any numbers, gives {"metadata": string [batch]}.

A conditioned model's further inputs, float32, go with each but the last.
"""

from collections.abc import Callable, Mapping

import tensorflow as tf

from tfepi.serving import statistics
from tfepi.serving.letters import IUPAC, coded, known, of_length
from tfepi.serving.options import Scores
from tfepi.serving.requests import after, base_indices, checked, finite, refuse
from tfepi.serving.splicing import spliced, stitched
from tfepi.serving.strands import Predict
from tfepi.spec import ModelSpec

Inputs = Mapping[str, tf.Tensor]
Outputs = dict[str, tf.Tensor]
Endpoint = tuple[Callable[[Inputs], Outputs], dict[str, tf.TensorSpec]]
PREDICTING = ("serving_default", "predict", "predict_indices", "predict_dna")
SCORING = ("score_variants", "score_alleles")
DESCRIBE = "describe"
DESCRIBED = 128  # rows at most: each holds the whole metadata


class Signatures:
    """The graphs of a model's signatures.

    Args:
        predict: the model (`strands.predictions`).
        spec: its contract.
        scores: what the signatures that score give, or None without these.
        stitch: predict alleles of another length in both registers.
        batch_size: the only number of rows that is taken, or None for any.
    """

    def __init__(
        self,
        predict: Predict,
        spec: ModelSpec,
        scores: Scores | None,
        stitch: bool,
        batch_size: int | None = None,
    ):
        self._model, self._spec, self._scores = predict, spec, scores
        self._stitch, self._batch = stitch, batch_size
        self._further = {n: s for n, s in spec.inputs.items() if n != "sequence"}

    def endpoints(self, metadata: str) -> dict[str, Endpoint]:
        """Return function and inputs of each signature by name.

        Args:
            metadata: what `describe` gives.
        """
        length = self._spec.seq_length
        text, place = self._input((), tf.string), self._input((), tf.int32)
        floats = self._endpoint(self._predict, sequence=self._input((length, 4), tf.float32))
        indices = self._input((length,), tf.uint8)
        found = {
            "serving_default": floats,
            "predict": floats,
            "predict_indices": self._endpoint(self._predict_indices, sequence=indices),
            "predict_dna": self._endpoint(self._predict_dna, sequence=text),
        }
        if self._scores is not None:
            found["score_variants"] = self._endpoint(self._score_variants, ref=text, alt=text)
            found["score_alleles"] = self._endpoint(
                self._score_alleles, window=text, offset=place, ref=text, alt=text
            )
        return found | {DESCRIBE: _description(metadata)}

    def _input(self, shape: tuple[int, ...], dtype) -> tf.TensorSpec:
        return tf.TensorSpec((self._batch, *shape), dtype)

    def _endpoint(self, function: Callable[[Inputs], Outputs], **inputs) -> Endpoint:
        """Return a function that checks its inputs first, and these, with the model's further."""
        further = {n: self._input(s, tf.float32) for n, s in self._further.items()}
        declared = _named(inputs | further)

        def endpoint(given: Inputs) -> Outputs:
            found = checked(given, declared)
            return function(found | {name: finite(found[name], name) for name in further})

        return endpoint, declared

    def _conditions(self, inputs: Inputs) -> dict[str, tf.Tensor]:
        return {name: inputs[name] for name in self._further}

    def _predict(self, inputs: Inputs) -> Outputs:
        sequence = finite(inputs["sequence"], "sequence")
        return self._model(self._conditions(inputs) | {"sequence": sequence})

    def _predict_indices(self, inputs: Inputs) -> Outputs:
        sequence = _one_hot(base_indices(inputs["sequence"]))
        return self._model(self._conditions(inputs) | {"sequence": sequence})

    def _predict_dna(self, inputs: Inputs) -> Outputs:
        sequence = self._encoded(inputs["sequence"], "sequence")
        return self._model(self._conditions(inputs) | {"sequence": sequence})

    def _encoded(self, texts, name: str):
        """Return one-hot codes of the DNA of an input, after checks."""
        length = self._spec.seq_length
        return _one_hot(coded(known(of_length(texts, length, name), IUPAC, name), length))

    def _score_variants(self, inputs: Inputs) -> Outputs:
        further = self._conditions(inputs)
        sequences = [self._encoded(inputs[name], name) for name in ("ref", "alt")]
        out = self._model(
            {n: tf.concat([v, v], 0) for n, v in further.items()}
            | {"sequence": tf.concat(sequences, 0)}
        )
        return self._scored({head: tf.split(values, 2) for head, values in out.items()})

    def _score_alleles(self, inputs: Inputs) -> Outputs:
        length, further = self._spec.seq_length, self._conditions(inputs)
        window = self._scores.window
        whole, left, right, size = spliced(
            *(inputs[name] for name in ("window", "offset", "ref", "alt")), window, self._stitch
        )
        texts, conditions = [whole, left], [further, further]
        apart = tf.not_equal(left, right)
        if self._batch is not None:
            apart = tf.ones_like(apart)  # all of them, so that the model's batch is one size
        if self._stitch:
            texts.append(tf.boolean_mask(right, apart))
            conditions.append({n: tf.boolean_mask(v, apart) for n, v in further.items()})
        joined = {n: tf.concat([c[n] for c in conditions], 0) for n in further}
        codes = coded(tf.concat(texts, 0), length)
        out = self._model(joined | {"sequence": _one_hot(codes)})
        count = tf.shape(whole)[0]
        pairs = {}
        for head, values in out.items():
            ref, alt, again = values[:count], values[count : 2 * count], values[2 * count :]
            if self._stitch:
                other = tf.tensor_scatter_nd_update(alt, tf.where(apart), again)
                alt = stitched(alt, other, window, size)
            pairs[head] = (ref, alt)
        return self._scored(pairs)

    def _scored(self, pairs: Mapping[str, tuple]) -> Outputs:
        """Return the statistics of each head's predictions for REF and ALT."""
        found = {}
        for chosen in self._scores.heads:
            ref, alt = pairs[chosen.head]
            if chosen.columns is not None:
                ref, alt = (tf.gather(v, chosen.columns, axis=2) for v in (ref, alt))
            values = statistics.score(self._scores.stats, ref, alt, self._scores.window.center)
            found |= {self._scores.key(chosen, name): v for name, v in values.items()}
        return found


def _one_hot(codes):
    return tf.one_hot(codes, 4, dtype=tf.float32)


def _named(inputs: Mapping[str, tf.TensorSpec]) -> dict[str, tf.TensorSpec]:
    return {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in inputs.items()}


def _description(metadata: str) -> Endpoint:
    declared = _named({"row": tf.TensorSpec((None,), tf.int32)})

    def describe(inputs: Inputs) -> Outputs:
        count = tf.shape(checked(inputs, declared)["row"])[:1]
        text = "describe is asked of "
        check = refuse(count > DESCRIBED, text, count, f" rows: want at most {DESCRIBED}")
        return {"metadata": tf.fill(after([check], count), metadata)}

    return describe, declared
