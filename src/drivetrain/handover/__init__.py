"""Handing a bundle over: a folder with everything that a container, a Space or a notebook app needs."""
