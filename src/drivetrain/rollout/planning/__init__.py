"""A plan of a rollout before it starts: the real machine, run on made-up cases that a bundle's own scores shape."""
