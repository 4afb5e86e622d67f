"""Sinks: services that what the harness holds can be sent to, and fetched from; only on demand, with a key of the environment."""
