"""From a rollout's log to labelled items: what people said of cases in the field, blind, and what turned out."""
