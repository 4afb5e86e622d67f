"""The wire seam: what answers the requests of the code under test, and what keeps it from answering them otherwise."""
