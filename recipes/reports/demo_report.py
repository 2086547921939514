"""The demo's page."""

from pathlib import Path

from matplotlib.figure import Figure

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.media import FrameStore
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.finetuning.clips import StoreClips
from framegate.recipes.finetuning.measure import ClipOutputs
from framegate.recipes.pretraining.pretrain_pictures import view_pairs
from framegate.recipes.reports.demo_results import DemoResults, results_cells
from framegate.recipes.reports.finetune_report import add_outcomes, loss_curve
from framegate.recipes.reports.page import Page
from framegate.recipes.reports.pretrain_curves import training_curves
from framegate.recipes.training.run_folder import RunFolder


def write_demo_report(
    out: Path,
    results: DemoResults,
    config: PretrainConfig,
    store: FrameStore,
    model: GatedFusionClassifier,
    clips: StoreClips,
    outputs: ClipOutputs,
) -> None:
    """Write ``report.html``: the table, curves, views, confusions, reliabilities and some predictions."""
    page = Page(
        "framegate · demo",
        f"{store.videos.num_rows} clips of the embedded corpus; every figure is of the {len(outputs.rows)} test clips, "
        "whose programmes the training never saw, and whose station looks do not go with their category.",
    )
    page.heading("Accuracy")
    header, rows = results_cells(results)
    page.table(header, rows, best=len(rows) - 1)
    page.figure(accuracy_bars(results), "Top-1 accuracy at the leaf, and kNN accuracy of the backbone")
    page.heading("Pretraining")
    page.figure(
        training_curves(RunFolder(out / "runs" / "pretrain").rows()),
        "Loss, learning rate and momentum, images a second and the share of time spent waiting for data. The loss "
        "may rise as the rate falls: keys of an encoder that changes less are harder negatives.",
    )
    page.picture(view_pairs(config, store), "What MoCo learns from: each frame's two views, side by side, in pairs")
    page.heading("Fine-tuning")
    page.figure(loss_curve(RunFolder(out / "runs" / "gated").rows()), "Loss of the gated fusion")
    add_outcomes(page, model, clips, outputs, name="test")
    page.heading("Cost")
    page.table(["stage", "seconds"], [[stage, f"{value:.0f}"] for stage, value in results.seconds.items()])
    page.note(f"Memory of all processes together: {results.peak_memory_mb} MB at most.")
    page.write(out / "report.html")


def accuracy_bars(results: DemoResults) -> Figure:
    """Plot each classifier's leaf accuracy, and the backbone's kNN accuracy before and after pretraining."""
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 1])
    for axes, values in ((left, results.leaf), (right, results.knn)):
        bars = axes.bar(list(values), list(values.values()))
        axes.bar_label(bars, fmt="%.2f")
        axes.set(ylim=(0, 1))
    left.set_title("classifiers, leaf")
    right.set_title("kNN")
    return figure
