"""In front of people and programs: HTTP API, batching, console. Input: a bundle's predictor; output: answers that are stored."""
