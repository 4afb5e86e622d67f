"""The view: stored experiments in a browser, as they are and as they grow. It reads, and changes nothing."""
