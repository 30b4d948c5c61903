"""The evidence of a rollout: what final cases say about model and people, in the order in which the cases came."""
