"""The ways in which cassettes were written down, here and elsewhere; each is read without building objects."""
