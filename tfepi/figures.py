"""Every figure of tfepi by name: what the commands and the report draw, from values in memory.

Each is a function that takes arrays, data frames or the frozen value class that its docstring
names, and returns a `matplotlib.figure.Figure`; none reads a file. `save_figure` writes SVG and
PNG.

::

    from tfepi import figures

    drawn = figures.training_curves([{"epoch": 0, "loss": 2.0, "valid_loss": 2.1}])
    figures.save_figure(drawn, "curves")
"""

import importlib

_PLACES = {
    # Data and training
    "karyogram": "karyogram_figure:karyogram",
    "model_window": "window_figure:window_figure",
    "training_curves": "training_figure:training_curves",
    "training_curves_of_models": "conditioning_figures:training_curves_of_models",
    # Accuracy
    "accuracy_per_target": "target_accuracy:accuracy_per_target",
    "observed_predicted": "panels:observed_predicted",
    "tracks": "panels:tracks",
    "sites": "panels:sites",
    "residuals": "residual_figures:residual_figure",
    "accuracy_by_mark": "conditioning_figures:accuracy_by_mark",
    "differences_of_models": "conditioning_figures:differences",
    "gene_expression": "gene_figures:expression_figure",
    "gene_accuracy": "gene_figures:accuracy_figure",
    "pair_accuracy": "pair_accuracy_figure:accuracy_figure",
    # Variants
    "score_histogram": "score_histogram:score_histogram",
    "simulated_effects": "quickstart_table:effects_figure",
    "variant_effects_of_models": "conditioning_figures:variant_effects",
    "score_components": "summary_figures:component_figure",
    "score_plane": "summary_figures:plane_figure",
    "mutagenesis": "logos:mutagenesis_figure",
    "deletions": "piece_figures:piece_figure",
    "inserted_motifs": "insertion_figures:motifs_figure",
    "insertion_offsets": "insertion_figures:offsets_figure",
    "epistasis": "epistasis_figures:epistasis_figure",
    # Attribution, enhancers
    "attributions": "attribution_figures:attribution_figure",
    "attributed_window": "attribution_windows:window_figure",
    "attributed_motifs": "attribution_motifs:motif_figure",
    "filter_motifs": "motif_figures:motif_page",
    "enhancer_profile": "enhancer_figures:profile_figure",
    "enhancer_pairs": "enhancer_figures:pair_effects_figure",
    "effect_distance": "enhancer_figures:distance_figure",
    # How far models see, and models against each other
    "receptive_field_profile": "receptive_field_profiles:profile_figure",
    "receptive_field_edges": "receptive_field_edges:edges_figure",
    "receptive_fields": "receptive_field_figures:comparison_figure",
    "receptive_field_cumulative": "receptive_field_figures:cumulative_figure",
    "compared_models": "comparison_figures:comparison_figure",
    # QTLs, heritability, methylation
    "qtl_distances": "qtl_figures:distance_figure",
    "qtl_region": "qtl_figures:region_figure",
    "qtl_degrees": "qtl_figures:degree_figure",
    "exam_curves": "qtl_exam_figures:curves_figure",
    "exam_distances": "qtl_exam_figures:distance_figure",
    "exam_effects": "qtl_exam_figures:effects_figure",
    "exam_balance": "qtl_exam_figures:balance_figure",
    "heritability_shares": "heritability_figures:share_figure",
    "heritability_clusters": "heritability_figures:cluster_figure",
    "methylation_locus": "locus_figures:locus_figure",
    "mqtl_enrichment": "locus_figures:enrichment_figure",
    "polygenic_scores": "prs_figures:prs_figure",
    # Cell types
    "peak_clusters": "cluster_figures:clusters_figure",
    "cluster_silhouettes": "cluster_figures:silhouettes_figure",
    "peak_heights": "height_figures:heights_figure",
    "matched_heights": "height_figures:matched_figure",
    "specificity_accuracy": "specificity_figures:accuracy_figure",
    "specificity_averages": "specificity_figures:averages_figure",
    "overcorrelation": "specificity_figures:overcorrelation_figure",
    "reference_predictions": "procedure_figures:reference_figure",
    "procedures": "procedure_figures:procedures_figure",
    "procedure_aurocs": "procedure_figures:auroc_figure",
    "single_task": "procedure_figures:single_task_figure",
    # Allelic imbalance
    "allelic_ratios": "allelic_figures:ratio_figure",
    "allelic_p_values": "allelic_figures:p_value_figure",
    "allelic_reads": "allelic_figures:read_figure",
    "allelic_imbalance": "allelic_figures:imbalance_figure",
    "allelic_scatter": "allelic_accuracy_figures:scatter_figure",
    "allelic_roc": "allelic_accuracy_figures:roc_figure",
    "allelic_accuracy": "allelic_accuracy_figures:accuracy_figure",
    "allelic_clusters": "allelic_accuracy_figures:cluster_figure",
    "save_figure": "figures:save_figure",
}
__all__ = list(_PLACES)


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, function = _PLACES[name].split(":")
    return getattr(importlib.import_module(f"tfepi.report.{module}"), function)


def __dir__() -> list[str]:
    return sorted(__all__)
