"""Split protocols, one file each: how the cases of a cohort are divided into training, validation and test parts.

A file of this folder registers a class with `splits(cohort) -> list[Split]` and declares its inference: which tests its test
parts allow. Adding one touches no other file of the engine.
"""
