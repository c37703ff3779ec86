"""Leaks: coded checks of a cohort, of its splits and of a method for what makes numbers too good. One file per family."""
