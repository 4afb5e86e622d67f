"""The store: everything read from and written to disk. What is written is written whole or not at all."""

from harness.store.baselines import baseline_path, orphaned_baselines, read_baseline, read_baselines, write_baseline
from harness.store.cassettes import (
    cassettes_digest,
    cut_cassette,
    exchanges_in,
    read_cassette,
    read_exchanges,
    scanned_text,
    write_cassette,
)
from harness.store.experiments import (
    ExperimentFolder,
    Gathered,
    TrialKey,
    experiments_folder,
    new_experiment,
    open_experiment,
    stored_experiments,
)
from harness.store.exports import export_digest, read_export
from harness.store.files import append_text, read_bytes, write_bytes, write_text
from harness.store.history import Change, changes, text_at
from harness.store.names import (
    FOREIGN_SUFFIXES,
    cassette_file,
    cassette_files,
    cassette_path,
    cassette_stem,
    is_cassette,
    refuse_colliding_cassettes,
)
from harness.store.played import CHANGED, Played
from harness.store.pushes import Page, PushFolder, pages
from harness.store.recordings import drop_unfinished, keep_unfinished, read_unfinished, recording_alone, unfinished_folder
from harness.store.sources import (
    active_path,
    read_active,
    read_dataset_text,
    read_origin,
    read_prompts,
    read_script_text,
    write_active,
    write_version,
)
from harness.store.standings import Keeping
from harness.store.sweeps import read_sweep, write_sweep

__all__ = [
    "CHANGED",
    "FOREIGN_SUFFIXES",
    "Change",
    "ExperimentFolder",
    "Gathered",
    "Keeping",
    "Page",
    "Played",
    "PushFolder",
    "TrialKey",
    "active_path",
    "append_text",
    "baseline_path",
    "cassette_file",
    "cassette_files",
    "cassette_path",
    "cassette_stem",
    "cassettes_digest",
    "changes",
    "cut_cassette",
    "drop_unfinished",
    "exchanges_in",
    "experiments_folder",
    "export_digest",
    "is_cassette",
    "keep_unfinished",
    "new_experiment",
    "open_experiment",
    "orphaned_baselines",
    "pages",
    "read_active",
    "read_baseline",
    "read_baselines",
    "read_bytes",
    "read_cassette",
    "read_dataset_text",
    "read_exchanges",
    "read_export",
    "read_origin",
    "read_prompts",
    "read_script_text",
    "read_sweep",
    "read_unfinished",
    "recording_alone",
    "refuse_colliding_cassettes",
    "scanned_text",
    "stored_experiments",
    "text_at",
    "unfinished_folder",
    "write_active",
    "write_baseline",
    "write_bytes",
    "write_cassette",
    "write_sweep",
    "write_text",
    "write_version",
]
