"""Renders experiments as text: every function returns a string, and the same experiment always the same one."""
