"""Servers that `benchmarks.serve` compares with, one a file, and what drives them."""
