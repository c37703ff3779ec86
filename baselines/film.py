"""FiLM: the table scales and shifts the maps of the image branch's last residual block."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.daft import DAFT
from benchmark import register_method


@register_method(
    "film",
    family="neural",
    reference="FiLM, Perez et al. 2018, arXiv 1709.07871, as DAFT (arXiv 2107.05990) is compared with it",
    differences="`daft` in all but this: the table alone decides scale and shift. So, unlike Perez et al., one modulated "
    "block in place of four, a bottleneck of 7 values [A] without biases on the table in place of a linear map of the "
    "question's GRU, and `daft`'s image branch and classifier. `image=pooled`: as there",
    fit_modalities={"image", "table"},
    predict_modalities={"image", "table"},
    validation="early-stopping",
    variants={"image": {"pooled": set()}},
)
@dataclass
class FiLM(DAFT):
    """`daft`, whose block the table alone modulates: alpha, beta = W_2 relu(W_1 x)."""

    sees_maps = False
