"""What a build will cost: windows, bytes and CPU time, before it starts."""

from tfrecords_tools.output import shown_size
from tfrecords_tools.plan import Plan

# Measured with scripts/benchmark_data.py on one core of a server CPU; order of magnitude only.
BASES_READ_PER_CPU_SECOND = 2.0e7
BASES_WRITTEN_PER_CPU_SECOND = 2.0e7
VALUES_WRITTEN_PER_CPU_SECOND = 1.0e7
BYTES_PER_BASE = {"index": 0.3, "packed": 0.26}


def forecast(plan: Plan) -> dict[str, float]:
    """Return the windows by label, the records' bytes, and CPU-seconds of a plan.

    Returns:
        `windows` per label, `bytes` of the shards, `working_bytes` needed meanwhile and
        `cpu_seconds`; the last three are estimates within a factor of about two.
    """
    options = plan.options
    count, tracks = len(plan.windows), len(plan.targets) + len(plan.tracks)
    bins = options.windowing().target_length
    sequence = count * options.seq_length
    values = count * (bins * len(plan.targets) + options.track_length * len(plan.tracks))
    covered = min(
        count * options.windowing().window_length,
        sum(len(c) for part in plan.contigs.values() for c in part),
    )
    return {
        "windows": {label: len(plan.rows(label)) for label in plan.labels},
        "bytes": round(sequence * BYTES_PER_BASE[options.encoding] + 1.6 * values),
        "working_bytes": 2 * values,
        "cpu_seconds": round(
            covered * tracks / BASES_READ_PER_CPU_SECOND
            + sequence / BASES_WRITTEN_PER_CPU_SECOND
            + values / VALUES_WRITTEN_PER_CPU_SECOND,
            1,
        ),
    }


def describe(plan: Plan) -> str:
    """Return the forecast as lines for a person."""
    found = forecast(plan)
    shards = len(plan.shards())
    counts = ", ".join(f"{label} {n:,}" for label, n in found["windows"].items())
    dropped = "".join(f"; {n:,} dropped ({why})" for why, n in plan.dropped.items() if n)
    share = plan.options.positive_share
    if share is not None:
        dropped += f"; at most, before --positive_share {share:g} leaves some out"
    return (
        f"windows   {counts}{dropped}\n"
        f"shards    {shards:,} of up to {plan.options.records_per_shard:,} records\n"
        f"size      about {shown_size(found['bytes'])}, and {shown_size(found['working_bytes'])} "
        "of working files meanwhile\n"
        f"time      about {found['cpu_seconds']:,.0f} CPU-seconds"
    )
