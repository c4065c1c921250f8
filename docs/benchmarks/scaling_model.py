"""How much of the time of synchronous training goes into adding up gradients: a model, no measure.

    python docs/benchmarks/scaling_model.py [--gpu_tflops 20] [--batch 8]

Of each preset the parameters and the multiply-adds of an example are counted; a step computes
3 · 2 · multiply-adds · examples per GPU (forward once, backward twice), at the given rate. A ring
over n places moves 2·(n − 1)/n of the gradients' bytes over every link, in 2·(n − 1) messages of
some latency (Patarasuk and Yuan 2009). GPUs of a host are one ring over its own links; with
several hosts a second ring is over the network, one place each, and its link is shared by the
host's GPUs, whose gradients were added up before. Nothing overlaps: the loop adds gradients up
after the backward pass.
"""

import argparse

LINKS = {  # bytes per second in one direction, seconds per message
    "NVLink": (200e9, 5e-6),
    "PCIe 4": (20e9, 10e-6),
    "100 Gb/s": (11e9, 20e-6),
    "10 Gb/s": (1.1e9, 50e-6),
}
GPUS = (1, 2, 4, 8, 16, 32, 64)
PER_HOST = 8


def ring_seconds(places: int, size: float, link: str) -> float:
    """Return the time of an all-reduce of `size` bytes over a ring of some places."""
    rate, latency = LINKS[link]
    return 2 * (places - 1) * (size / places / rate + latency)


def efficiency(gpus: int, size: float, compute: float, inside: str, between: str) -> float:
    """Return the share of a step in which GPUs compute."""
    hosts = -(-gpus // PER_HOST)
    spent = ring_seconds(min(gpus, PER_HOST), size, inside) + ring_seconds(hosts, size, between)
    return compute / (compute + spent)


def counted(preset: str) -> tuple[int, int]:
    """Return the parameters and the multiply-adds of an example of a preset."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    from tfepi.graph import graph_of
    from tfepi.model_params import BASENJI
    from tfepi.models import choose_heads, make_model
    from tfepi.params import read_params
    from tfepi.variants.multiply_adds import of_sequence

    params = read_params(preset).model
    if params.name == BASENJI:
        params = choose_heads(params, ["output"])
    targets = {"enformer": {"human": 5313, "mouse": 1643}, "basenji2": 5313}.get(preset, 10)
    model = make_model(params, targets)
    return model.count_params(), of_sequence(graph_of(model))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu_tflops", type=float, default=20, help="that a GPU reaches [20]")
    parser.add_argument("--presets", nargs="+", default=["basset", "basenji2", "enformer"])
    parser.add_argument("--batch", nargs="+", type=int, default=[64, 4, 1], help="per GPU")
    args = parser.parse_args()
    head = " | ".join(f"{n} GPUs" for n in GPUS)
    print(f"| model, examples per GPU | gradients | computing | in a host, between | {head} |")
    print("|---" * (4 + len(GPUS)) + "|")
    for preset, batch in zip(args.presets, args.batch, strict=True):
        parameters, work = counted(preset)
        compute = 3 * 2 * work * batch / (args.gpu_tflops * 1e12)
        for inside, between in (("NVLink", "100 Gb/s"), ("PCIe 4", "10 Gb/s")):
            shares = (efficiency(n, 4 * parameters, compute, inside, between) for n in GPUS)
            told = " | ".join(f"{100 * share:.0f}%" for share in shares)
            name = f"{preset}, {batch}"
            size = f"{4 * parameters / 1e6:.1f} MB"
            print(f"| {name} | {size} | {1000 * compute:.1f} ms | {inside}, {between} | {told} |")


if __name__ == "__main__":
    main()
