"""The runner: what is to be run, one trial, the workers, and a whole run from config to verdict."""
