"""Notebooks: progress that is shown in a cell's output."""
