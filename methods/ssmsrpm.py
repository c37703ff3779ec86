"""SSMSRPM: images and tables of unlabelled people are brought together, and a risk is read from image, table and both."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark import register_method
from benchmark.learning.self_supervised.image_table import ContrastAndMatching
from benchmark.learning.self_supervised.method import Network, SelfSupervised
from benchmark.learning.self_supervised.pretraining import Objective


@register_method(
    "ssmsrpm",
    family="proposed",
    reference="self-supervised image-table model of stroke risk, arXiv 2411.09822, and its public code",
    differences="kept: image-table contrast and matching, one pooled token of each modality in the multimodal block, three "
    "linear heads whose logits are averaged. [A] width 16 in place of ResNet-50 and 128 in place of 2048 (`size=paper`), "
    "volumes averaged to 28 voxels along an axis, 2 layers in the block, batches of 64 without accumulation, 20 epochs of "
    "pre-training with at least 512 cases each; with `mode=frozen` the heads are one logistic regression on all embeddings, "
    "and from there `mode=trainable` goes on: at most 30 epochs of 512 cases in batches of 16, half of either label, AdamW "
    "3e-4 (there 1e-5 in more epochs), from scratch 1e-3; intensities 1 to 99.95 % in place of 99 %, above which lesions lie "
    "on coarse volumes; each image is altered anew each time. The last maps of volumes of up to 32 voxels are one place; "
    "slices go through five plain convolutions, not a ResNet. What is measured on images stands among the table's columns, as "
    "in the source. People who lack image or table take no part in pre-training",
    fit_modalities={"image", "table"},
    predict_modalities={"image", "table"},
    validation="early-stopping",
    variants={
        "mode": {"frozen": set()},
        "start": {"scratch": set()},
        "tokens": {"all": set()},
        "size": {"paper": set()},
    },
)
@dataclass
class SSMSRPM(SelfSupervised):
    """ResNet(image), MLP(table), block(table looks at image); L = (ITC + ITM) / 2."""

    heads = ("image", "table", "both")

    def objective(self, network: Network) -> Objective:
        """Image-table contrast and image-table matching."""
        return ContrastAndMatching(network)

    def search_space(self) -> dict[str, list[object]]:
        """What the source does not fix [A]."""
        return {
            "learning_rate": [1e-4, 3e-4, 1e-3],
            "decay": [1e-4, 1e-3, 1e-2],
            "mode": ["frozen", "trainable"],
        }
