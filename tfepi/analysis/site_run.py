"""What every run on the windows of start sites is asked, and how it begins."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tfepi.analysis.element_pairs import Element, Pair
from tfepi.analysis.pair_options import PairOptions
from tfepi.analysis.site_parts import check_pairs, check_sites, sites_digest
from tfepi.analysis.tss import StartSite
from tfepi.analysis.tss_windows import TssWindow
from tfepi.spec import ModelSpec, Predictor, check_shifts
from tfepi.variants.numbered import Plan
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome
from tfrecords_tools.output import check_folder, check_room, run_record


@dataclass(frozen=True)
class SiteRun:
    """What every run on the windows of start sites is asked.

    Attributes:
        load: returns the model.
        spec: its contract.
        sites: start sites.
        fasta: the genome, plain or bgzip.
        out: output folder.
        files: label → path of the files that decide model, sites and pairs.
        pairs: table of pairs of a gene and a candidate element.
        elements: of `element_pairs.match`, whose sites are these.
        of_pairs: how they are scored.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.
    """

    load: Callable[[], Predictor]
    spec: ModelSpec
    sites: Sequence[StartSite]
    fasta: str | Path
    out: str | Path
    files: Mapping[str, str | Path] = field(default_factory=dict)
    pairs: Sequence[Pair] = ()
    elements: Sequence[Element] = ()
    of_pairs: PairOptions = field(default_factory=PairOptions)
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False

    def window(self, bins: int, shifts: tuple[int, ...]) -> TssWindow:
        """Return how windows lie, after checking the folder and what the model allows.

        Args:
            bins: around the TSS, an odd number.
            shifts: to average over, bp.

        Raises:
            ConfigError: bins or shifts that do not suit the model.
            UnfinishedError: results are there.
        """
        check_folder(self.out, self.resume, self.overwrite)
        window = TssWindow.of(self.spec, bins)
        check_shifts(self.spec, shifts)
        return window

    @contextmanager
    def begun(
        self,
        kind: str,
        options: Any,
        facts: Mapping[str, object],
        cut: Mapping[str, object],
        parts: int,
        suffix: str,
        ready: Callable[[], Any],
        need: int = 0,
        counts: Mapping[str, int] | None = None,
    ) -> Iterator[tuple[Path, Plan, Genome, Callable[[], Any]]]:
        """Claim the folder when all that can be checked is, and write run.json at the end.

        Args:
            kind: format of manifest.json.
            options: of the run, a dataclass of JSON values.
            facts: what else decides the values.
            cut: how the work is cut, and what else is written.
            parts: how many there are.
            suffix: of their files.
            ready: returns the model in the form that is needed, after checking it.
            need: bytes on the disk.
            counts: for run.json; by default those of sites and pairs.

        Yields:
            The folder, the plan of its parts, the genome, and a function that returns what
            `ready` does.

        Raises:
            InputFileError: a FASTA, site or pair that cannot be used.
            ConfigError: too small a disk, or a model that cannot be used.
            UnfinishedError: results are there, or were made from something else.
        """
        folder = Path(self.out)
        with Genome(self.fasta) as genome:
            check_sites(self.sites, genome)
            check_pairs(self.pairs, genome)
            plan = Plan(
                kind,
                {k: identity(p) for k, p in {"fasta": self.fasta, **self.files}.items()},
                {
                    "options": asdict(options),
                    "pairs": asdict(self.of_pairs) if self.pairs else None,
                    **facts,
                    "sites": sites_digest(self.sites),
                    **cut,
                },
                parts,
                suffix,
            )
            check_room(folder, need)
            # A model that cannot be used must not cost results, nor leave a folder behind.
            made = [ready()] if self.overwrite or not folder.exists() else []
            plan.claim(folder, self.resume, self.overwrite)
            counts = counts or {"sites": len(self.sites), "pairs": len(self.pairs)}
            with run_record(folder, {}, **counts) as record:
                record["inputs"] = dict(plan.inputs)
                yield folder, plan, genome, lambda: made[0] if made else ready()
