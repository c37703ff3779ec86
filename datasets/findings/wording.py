"""Words of the reports: sentences that state a finding, deny it, or speak of something else; for training, and held back.

A pattern's gaps are filled with size, side and place. Those of `HELD_OUT` state and deny the same findings by other names: none
of the names and turns that `HELD_OUT_WORDS` lists stands in any report of the cohort or its pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Wordings = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Wording:
    """All patterns of one way to write.

    stated, concluded : finding -> patterns under Findings and under Summary. denied : finding -> patterns that say it is not
    there. both_denied : of infarct and bleed together. ventricles : of normal fluid spaces. atrophy, incidental : of what is no
    finding. normal : conclusions where there is none. sizes : small, middling, large.
    """

    stated: Wordings
    concluded: Wordings
    denied: Wordings
    both_denied: Sequence[str]
    ventricles: Sequence[str]
    atrophy: Sequence[str]
    incidental: Sequence[str]
    normal: Sequence[str]
    sizes: Sequence[Sequence[str]]


TRAINING = Wording(
    stated={
        "infarct": (
            "There is a {size} acute infarct in the {side} {place} territory.",
            "A {size} area of restricted diffusion in the {side} {place} territory is in keeping with acute infarction.",
            "{Size} focus of high signal on diffusion-weighted imaging within the {side} {place} territory, consistent with "
            "acute ischaemia.",
            "Acute ischaemic change involves the {side} {place} territory and is {size}.",
            "Recent infarction of the {side} {place} territory, {size} in extent.",
            "The {side} {place} territory shows a {size} recent ischaemic lesion.",
        ),
        "bleed": (
            "There is a {size} acute haemorrhage in the {side} {place}.",
            "A {size} intraparenchymal haematoma is centred on the {side} {place}.",
            "{Size} parenchymal bleed in the {side} {place} with a rim of swelling.",
            "Acute blood products in the {side} {place} form a {size} haematoma.",
            "The {side} {place} contains a {size} focus of acute haemorrhage.",
        ),
        "mass": (
            "There is a {size} mass in the {side} {place} with surrounding oedema.",
            "A {size} space-occupying lesion lies in the {side} {place} and is surrounded by vasogenic oedema.",
            "{Size} intra-axial tumour in the {side} {place} with perilesional swelling.",
            "The {side} {place} contains a {size} infiltrating lesion suspicious for a neoplasm.",
            "A {size} intrinsic tumour expands the {side} {place}.",
        ),
        "hydrocephalus": (
            "The lateral ventricles are dilated out of proportion to the sulci, in keeping with hydrocephalus.",
            "There is hydrocephalus with effacement of the sulci.",
            "Ventriculomegaly is present and the cortical sulci are crowded.",
            "Marked dilatation of the ventricular system indicates hydrocephalus.",
            "The ventricular system is distended, consistent with hydrocephalus.",
        ),
        "white-matter": (
            "There are confluent white matter hyperintensities in both hemispheres.",
            "Extensive periventricular and deep white matter high signal is in keeping with small vessel disease.",
            "Moderate to severe small vessel disease of the cerebral white matter.",
            "Widespread leukoaraiosis is noted.",
            "Multiple foci of T2 hyperintensity in the deep white matter represent chronic small vessel ischaemia.",
        ),
    },
    concluded={
        "infarct": (
            "Acute {side} {place} territory infarct.",
            "{Size} acute infarction, {side} {place}.",
            "Recent ischaemic lesion in the {side} {place} territory.",
        ),
        "bleed": (
            "Acute haemorrhage in the {side} {place}.",
            "{Size} {side} {place} haematoma.",
            "Intraparenchymal bleed, {side} {place}.",
        ),
        "mass": (
            "{Side} {place} mass lesion.",
            "{Size} tumour of the {side} {place}.",
            "Space-occupying lesion in the {side} {place}, suspicious for neoplasm.",
        ),
        "hydrocephalus": ("Hydrocephalus.", "Ventriculomegaly in keeping with hydrocephalus.", "Dilated ventricular system."),
        "white-matter": (
            "Small vessel disease.",
            "Extensive white matter hyperintensities.",
            "Leukoaraiosis, moderate to severe.",
        ),
    },
    denied={
        "infarct": (
            "No acute infarct.",
            "There is no evidence of acute infarction.",
            "No restricted diffusion to suggest acute ischaemia.",
            "No recent ischaemic lesion is seen.",
        ),
        "bleed": (
            "No intracranial haemorrhage.",
            "There is no acute blood.",
            "No haematoma is identified.",
            "No evidence of an intracranial bleed.",
        ),
        "mass": (
            "No mass lesion.",
            "No space-occupying lesion is demonstrated.",
            "There is no evidence of an intracranial tumour.",
            "No focal lesion suspicious for neoplasm.",
        ),
        "hydrocephalus": (
            "No hydrocephalus.",
            "The ventricles are not dilated.",
            "There is no ventriculomegaly.",
        ),
        "white-matter": (
            "No significant white matter disease.",
            "The white matter returns normal signal.",
            "No significant small vessel disease.",
        ),
    },
    both_denied=(
        "No acute infarct or haemorrhage.",
        "There is no evidence of acute infarction or intracranial haemorrhage.",
        "No restricted diffusion or acute blood products.",
    ),
    ventricles=(
        "The ventricles and sulci are normal in size and configuration.",
        "Normal ventricular calibre.",
        "Ventricular size is within normal limits.",
    ),
    atrophy=(
        "There is generalised involutional change.",
        "Mild to moderate cerebral volume loss, in keeping with age.",
        "Prominent sulci and ventricles in keeping with volume loss.",
    ),
    incidental=(
        "The major intracranial flow voids are preserved.",
        "Grey-white matter differentiation is preserved.",
        "The craniocervical junction is unremarkable.",
        "Normal appearances of the orbits.",
        "Mild mucosal thickening in the ethmoid air cells.",
        "The mastoid air cells are clear.",
        "The pituitary fossa is unremarkable.",
        "Midline structures are not displaced.",
        "Partially empty sella, an incidental observation.",
    ),
    normal=(
        "Normal study.",
        "No acute intracranial abnormality.",
        "Normal appearances of the brain.",
        "No significant abnormality is demonstrated.",
        "Unremarkable examination for age.",
    ),
    sizes=(("small", "tiny"), ("moderate-sized", "medium-sized"), ("large", "extensive")),
)

HELD_OUT = Wording(
    stated={
        "infarct": (
            "The images depict an evolving ischemic stroke affecting the {side} {place} distribution ({size}).",
            "{Size} ischemic stroke on the {side}, {place} distribution.",
        ),
        "bleed": (
            "The images depict a {size} hemorrhage affecting the {side} {place}.",
            "{Size} intracerebral hematoma on the {side}, {place}.",
        ),
        "mass": (
            "The images depict a {size} brain tumor affecting the {side} {place}.",
            "{Size} glioma on the {side}, {place}.",
        ),
        "hydrocephalus": (
            "The images depict ventricular enlargement beyond what atrophy explains.",
            "Both lateral ventricles appear enlarged and under pressure.",
        ),
        "white-matter": (
            "The images depict advanced microvascular ischemic changes.",
            "Heavy burden of microangiopathic abnormality.",
        ),
    },
    concluded={
        "infarct": ("Ischemic stroke, {side} {place}.", "Evolving stroke on the {side}."),
        "bleed": ("Intracerebral hemorrhage, {side} {place}.", "Hematoma on the {side}."),
        "mass": ("Brain tumor, {side} {place}.", "Glioma on the {side}."),
        "hydrocephalus": ("Ventricular enlargement.", "Enlarged ventricles."),
        "white-matter": ("Microvascular ischemic changes.", "Microangiopathic abnormality."),
    },
    denied={
        "infarct": ("Negative for stroke.", "Ischemic stroke is ruled out."),
        "bleed": ("Negative for hemorrhage.", "Hemorrhage is ruled out."),
        "mass": ("Negative for tumor.", "Brain tumor is ruled out."),
        "hydrocephalus": ("Negative for ventricular enlargement.", "Ventricular enlargement is ruled out."),
        "white-matter": ("Negative for microvascular changes.", "Microangiopathic abnormality is ruled out."),
    },
    both_denied=("Negative for stroke and hemorrhage.", "Stroke and hemorrhage are ruled out."),
    ventricles=("Fluid spaces look ordinary.", "Ordinary fluid spaces."),
    atrophy=("Some shrinkage of the brain.", "Age-related atrophy."),
    incidental=("Arteries at the skull base look open.", "Bone and sinuses look ordinary.", "Eyes look ordinary."),
    normal=("Healthy brain.", "The scan looks healthy.", "Nothing worrisome."),
    sizes=(("little",), ("intermediate",), ("big",)),
)
"""The same in words of which no report for training has one; they are American, where the others are British."""

HELD_OUT_WORDS = (
    *("stroke", "ischemic", "hemorrhage", "hematoma", "intracerebral", "tumor", "glioma", "enlarged", "enlargement"),
    *("microvascular", "microangiopathic", "negative", "ruled", "healthy", "worrisome", "depict", "ordinary", "little", "big"),
)
