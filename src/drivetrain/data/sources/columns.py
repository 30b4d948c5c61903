"""The meaning of a table's columns."""

UNUSED_SPLIT = "unused-split"
