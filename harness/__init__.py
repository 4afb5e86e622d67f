"""Regression tests for LangGraph agents: recorded model traffic, replayed through your own graph, checked and gated."""

__version__ = "0.1.0"
