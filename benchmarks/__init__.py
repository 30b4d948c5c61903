"""Measurements behind the claims: each module prints ratios and writes them with machine, commit, date and command."""
