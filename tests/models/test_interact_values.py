"""INTERACT's numbers against plain numpy, and against the same network made of torch's layers."""

import math

import numpy as np
import pytest

from tfepi.models import attention_weights, interact, interact_celltype

SIZES = {
    "input_length": 43,
    "targets": 3,
    "kernels": 6,
    "kernel_size": 4,
    "pool": 5,
    "hidden": 8,
    "layers": 2,
    "attention_heads": 2,
    "feed_forward": 12,
    "positions": 11,
    "head_hidden": 7,
}
BUILD = {"interact": interact, "interact_celltype": interact_celltype}
WITHOUT_DROPOUT = {"conv_dropout": 0.0, "dropout": 0.0, "head_dropout": 0.0}


def make(name, **options):
    """Return a tiny model, every weight of which matters."""
    model = BUILD[name](**(SIZES | options))
    rng = np.random.default_rng(7)
    for weight in model.weights:
        values = rng.normal(size=weight.shape) * (0.5 if len(weight.shape) > 1 else 0.3)
        if weight.name in ("gamma", "moving_variance", "gain"):
            values = 1 + np.abs(values)
        weight.assign(values)
    return model


def sequences(count=3, length=SIZES["input_length"]):
    """Return one-hot sequences with N, which is all 0, among the bases."""
    rng = np.random.default_rng(2)
    return np.vstack([np.eye(4), np.zeros((1, 4))])[rng.integers(0, 5, (count, length))]


def layer_norm(x, gamma, beta, epsilon, axes):
    mean = x.mean(axis=axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def attention(x, query, q_bias, key, k_bias, value, v_bias, out, out_bias):
    """Multi-head attention of one sequence [tokens, channels]; also its weights."""
    heads, size = q_bias.shape
    weights = np.zeros((heads, len(x), len(x)))
    y = np.tile(out_bias, (len(x), 1))
    for head in range(heads):
        q = x @ query[:, head] + q_bias[head]
        k = x @ key[:, head] + k_bias[head]
        v = x @ value[:, head] + v_bias[head]
        for i in range(len(x)):
            logits = np.array([q[i] @ k[j] / math.sqrt(size) for j in range(len(x))])
            shares = np.exp(logits - logits.max())
            weights[head, i] = shares / shares.sum()
            y[i] += (weights[head, i] @ v) @ out[head]
    return y, weights


def slow_interact(model, batch):
    """Return predictions and every layer's attention weights, one window at a time."""
    w = {x.name: [np.asarray(v, np.float64) for v in x.get_weights()] for x in model.layers}
    size = SIZES["kernel_size"]
    predictions, attended = [], []
    for x in batch.astype(np.float64):
        for number, pad in ((1, (size - 1) // 2), (2, (size - 1) // 2), (3, size // 2)):
            kernel, bias = w[f"conv{number}"]
            x = np.pad(x, ((pad, pad), (0, 0)))
            steps = len(x) - size + 1
            x = np.array([np.einsum("kc,kcf->f", x[i : i + size], kernel) for i in range(steps)])
            x = layer_norm(np.maximum(x + bias, 0), *w[f"conv{number}_norm"], 1e-5, (0, 1))
        largest = x.max(axis=0)
        pool = SIZES["pool"]
        x = np.array([x[i : i + pool].max(axis=0) for i in range(0, len(x) - pool + 1, pool)])
        gamma, beta, mean, variance = w["pool_norm"]
        x = (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta
        x = x @ w["embedding"][0] + w["position"][0][: len(x)]
        x = layer_norm(x, *w["position_norm"], 1e-12, -1)
        found = []
        for number in range(SIZES["layers"]):
            name = f"transformer{number}"
            y, weights = attention(x, *w[f"{name}_attention"])
            found.append(weights)
            x = layer_norm(x + y, *w[f"{name}_attention_norm"], 1e-12, -1)
            kernel, bias = w[f"{name}_hidden"]
            y = x @ kernel + bias
            y = y * 0.5 * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))
            kernel, bias = w[f"{name}_output"]
            x = layer_norm(x + y @ kernel + bias, *w[f"{name}_norm"], 1e-12, -1)
        kernel, bias = w["pooler"]
        x = np.tanh(x[0] @ kernel + bias)
        if model.name == "interact_celltype":
            x = np.concatenate([x, largest])
        for name in ("head_hidden", "head_logits"):
            kernel, bias, gain = w[name]
            x = x @ (gain * kernel / np.sqrt((kernel**2).sum())) + bias
            x = np.maximum(x, 0) if name == "head_hidden" else 1 / (1 + np.exp(-x))
        predictions.append(x)
        attended.append(found)
    return np.array(predictions), np.moveaxis(np.array(attended), 1, 0)


@pytest.mark.parametrize("name", BUILD)
def test_a_whole_model_is_its_formula(name):
    model, x = make(name), sequences()
    want, attended = slow_interact(model, x)
    assert want.std() > 0.02
    assert np.abs(want[0] - want[1]).max() > 1e-3
    np.testing.assert_allclose(model({"sequence": x})[:, 0], want, atol=2e-6)
    got = attention_weights(model)({"sequence": x})
    np.testing.assert_array_equal(got["output"][:, 0], model({"sequence": x})[:, 0])
    for number, weights in enumerate(attended):
        assert weights.std() > 0.05
        np.testing.assert_allclose(got[f"transformer{number}_attention"], weights, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("interact", [0.64542323, 0.6478431, 0.59067845, 0.64724725, 0.64001775, 0.5753528]),
        (
            "interact_celltype",
            [0.6609283, 0.73341614, 0.7452939, 0.6338235, 0.70220137, 0.7147584],
        ),
    ],
)
def test_predictions_are_those_of_the_released_code(name, want):
    # LieberInstitute/INTERACT and shizhonghan80/Cell-type-INTERACT, their convolutions made as
    # small, with these weights and true one-hot bases.
    model = BUILD[name](**SIZES)
    for index, weight in enumerate(model.weights):
        k = np.arange(np.prod(weight.shape), dtype=np.float64)
        values = 0.4 * np.sin(0.37 * k * k + index)
        if weight.name in ("gamma", "moving_variance", "gain"):
            values = 1 + np.abs(values)
        weight.assign(values.reshape(weight.shape))
    k = np.arange(2 * 43)
    x = np.eye(4)[(k * k // 3 + k // 7) % 4].reshape(2, 43, 4)
    np.testing.assert_allclose(np.ravel(model({"sequence": x})), want, atol=2e-6)


def torch_network(torch, name, sizes):
    """Return the network made of torch's layers, [batch, 4, length] → [batch, targets]."""
    from torch import nn
    from torch.nn.utils.parametrizations import weight_norm

    s = {"input_length": 2001, "kernel_size": 10, "pool": 20, "layers": 8} | sizes
    kernels, size, hidden = s["kernels"], s["kernel_size"], s["hidden"]

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            pads = ((size - 1) // 2, (size - 1) // 2, size // 2)
            self.convs = nn.ModuleList(
                nn.Conv1d(channels, kernels, size, padding=pad)
                for channels, pad in zip((4, kernels, kernels), pads, strict=True)
            )
            lengths = np.cumsum([s["input_length"], *(2 * pad - size + 1 for pad in pads)])[1:]
            self.norms = nn.ModuleList(nn.LayerNorm((kernels, int(n))) for n in lengths)
            self.pool, self.batch = nn.MaxPool1d(s["pool"]), nn.BatchNorm1d(kernels)
            self.embedding = nn.Linear(kernels, hidden, bias=False)
            self.positions = nn.Embedding(s["positions"], hidden)
            self.norm = nn.LayerNorm(hidden, eps=1e-12)
            # Of its own blocks torch has post-norm ones, with another dropout inside.
            self.blocks = nn.ModuleList(
                nn.TransformerEncoderLayer(
                    hidden,
                    s["attention_heads"],
                    s["feed_forward"],
                    dropout=0.0,
                    activation="gelu",
                    layer_norm_eps=1e-12,
                    batch_first=True,
                )
                for _ in range(s["layers"])
            )
            self.pooler = nn.Linear(hidden, hidden)
            joined = hidden + (kernels if name == "interact_celltype" else 0)
            self.head = nn.ModuleList(
                weight_norm(nn.Linear(*pair), dim=None)
                for pair in ((joined, s["head_hidden"]), (s["head_hidden"], s["targets"]))
            )

        def forward(self, x):
            for conv, norm in zip(self.convs, self.norms, strict=True):
                x = norm(torch.relu(conv(x)))
            largest = x.amax(dim=2)
            x = self.embedding(self.batch(self.pool(x)).transpose(1, 2))
            x = self.norm(x + self.positions(torch.arange(x.shape[1])))
            for block in self.blocks:
                x = block(x)
            x = torch.tanh(self.pooler(x[:, 0]))
            if name == "interact_celltype":
                x = torch.cat([x, largest], dim=1)
            return torch.sigmoid(self.head[1](torch.relu(self.head[0](x))))

    return Network()


def keras_layout(net, of, heads):
    """Return `of` every torch parameter (itself, its gradient) as Keras's layers have them."""

    def dense(layer):
        return [of(layer.weight).T, *([] if layer.bias is None else [of(layer.bias)])]

    found = {"embedding": dense(net.embedding), "pooler": dense(net.pooler)}
    for number, (conv, norm) in enumerate(zip(net.convs, net.norms, strict=True), 1):
        found[f"conv{number}"] = [of(conv.weight).transpose(2, 1, 0), of(conv.bias)]
        found[f"conv{number}_norm"] = [of(norm.weight).T, of(norm.bias).T]
    found["pool_norm"] = [of(net.batch.weight), of(net.batch.bias)]
    found["position"] = [of(net.positions.weight)]
    found["position_norm"] = [of(net.norm.weight), of(net.norm.bias)]
    for number, block in enumerate(net.blocks):
        name, inner = f"transformer{number}", block.self_attn
        width = inner.embed_dim
        parts = []
        for part in range(3):
            rows = slice(part * width, (part + 1) * width)
            parts.append(of(inner.in_proj_weight)[rows].T.reshape(width, heads, -1))
            parts.append(of(inner.in_proj_bias)[rows].reshape(heads, -1))
        out = of(inner.out_proj.weight).T.reshape(heads, -1, width)
        found[f"{name}_attention"] = [*parts, out, of(inner.out_proj.bias)]
        found[f"{name}_attention_norm"] = [of(block.norm1.weight), of(block.norm1.bias)]
        found[f"{name}_hidden"] = dense(block.linear1)
        found[f"{name}_output"] = dense(block.linear2)
        found[f"{name}_norm"] = [of(block.norm2.weight), of(block.norm2.bias)]
    for name, layer in zip(("head_hidden", "head_logits"), net.head, strict=True):
        gain, kernel = layer.parametrizations.weight.original0, layer.parametrizations.weight
        found[name] = [of(kernel.original1).T, of(layer.bias), of(gain).reshape(())]
    return found


@pytest.mark.parametrize("name", BUILD)
def test_predictions_and_gradients_are_torchs(name):
    torch = pytest.importorskip("torch")
    import tensorflow as tf

    torch.manual_seed(5)
    net = torch_network(torch, name, SIZES)
    for parameter in net.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape)
    net.batch.running_mean += 0.2
    net.batch.running_var += 0.5
    model = BUILD[name](**SIZES, **WITHOUT_DROPOUT)
    values = keras_layout(net, lambda p: p.detach().numpy(), SIZES["attention_heads"])
    values["pool_norm"] += [net.batch.running_mean.numpy(), net.batch.running_var.numpy()]
    assert values.keys() == {x.name for x in model.layers if x.weights}
    for layer, arrays in values.items():
        model.get_layer(layer).set_weights(arrays)
    x = sequences(4).astype(np.float32)
    net.eval()
    with torch.no_grad():
        want = net(torch.from_numpy(x.transpose(0, 2, 1)))
    assert want.std() > 0.02
    np.testing.assert_allclose(model({"sequence": x})[:, 0], want, atol=5e-6)

    net.train()  # batch norm has the batch's own mean and variance
    truth = np.random.default_rng(8).random((4, 3)).astype(np.float32)
    loss = ((net(torch.from_numpy(x.transpose(0, 2, 1))) - torch.from_numpy(truth)) ** 2).sum()
    loss.backward()
    with tf.GradientTape() as tape:
        ours = tf.reduce_sum((model({"sequence": x}, training=True)[:, 0] - truth) ** 2)
    assert float(ours) == pytest.approx(float(loss.detach()), rel=1e-5)
    variables = model.trainable_variables
    got = dict(zip([v.path for v in variables], tape.gradient(ours, variables), strict=True))

    def gradient(parameter):  # of rows that are not read torch has 0 as well
        return parameter.grad.numpy()

    for layer, arrays in keras_layout(net, gradient, SIZES["attention_heads"]).items():
        for variable, wanted in zip(model.get_layer(layer).trainable_weights, arrays, strict=True):
            scale = max(np.abs(wanted).max(), 1e-4)
            difference = np.abs(np.asarray(got[variable.path]) - wanted).max()
            assert difference < 1e-4 * scale + 2e-6, variable.path


@pytest.mark.parametrize("name", BUILD)
def test_the_published_network_has_as_many_parameters_as_torchs(name):
    torch = pytest.importorskip("torch")
    sizes = {"hidden": 512, "attention_heads": 8, "feed_forward": 2048, "positions": 1024}
    sizes |= {"head_hidden": 512, "targets": 21, "kernels": 400 if name == "interact" else 512}
    with torch.device("meta"):
        net = torch_network(torch, name, sizes)
    want = sum(p.numel() for p in net.parameters())
    model = BUILD[name](targets=21)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == want
