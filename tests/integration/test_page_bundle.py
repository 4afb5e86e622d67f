"""The page of the HTML report: what is committed is what its source gives."""

from pathlib import Path

from node import installed, npm

from harness.report import html

ROOT = Path(__file__).parents[2]
ASSETS = Path(html.__file__).parent / "assets"


def test_the_bundle_is_what_its_source_gives(tmp_path: Path) -> None:
    """Built anew from the locked packages, script, style and licences are the committed ones to the byte."""
    folder, out = installed(ROOT / "page", tmp_path / "page"), tmp_path / "out"

    npm(folder, "run", "check")
    npm(folder, "run", "build", PAGE_OUT=str(out))

    assert {path.name: path.read_bytes() for path in out.iterdir()} == {path.name: path.read_bytes() for path in ASSETS.iterdir()}


def test_the_lock_names_no_registry() -> None:
    """Every package is locked by version and digest, and none by the address it was fetched from."""
    lock = (ROOT / "page" / "package-lock.json").read_text("utf-8")

    assert '"resolved"' not in lock
    assert lock.count('"integrity"') == lock.count("node_modules/") > 0


def test_every_bundled_package_is_there_with_its_licence() -> None:
    """The licences stand beside the bundle and in it, so that every report carries them."""
    licences = (ASSETS / "THIRD_PARTY.txt").read_text("utf-8")

    assert [name for name in ("preact 11", "@dagrejs/dagre 3", "@dagrejs/graphlib 4") if name not in licences] == []
    assert licences.count("Permission is hereby granted") == 3
    assert (ASSETS / "page.js").read_text("utf-8").startswith(f"/*!\n{licences}*/\n")
