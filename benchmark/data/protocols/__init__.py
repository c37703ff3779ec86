"""Split protocols, one file each: how the cases of a cohort are divided into training, validation and test parts."""
