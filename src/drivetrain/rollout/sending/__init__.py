"""Sending cases, decisions and outcomes to a server over its HTTP API, from tables and folders."""
