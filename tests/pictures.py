"""Make the pictures of docs/reports.md: a seeded regression of support_triage, as its report shows it. Run it as a program."""

import base64
import shutil
import struct
import tempfile
import zlib
from pathlib import Path

import browser
from click.testing import CliRunner

from harness.cli import main

ROOT = Path(__file__).parents[1]
HEIGHT = 900
PIXELS = """async (png) => {
    const picture = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (each) => each.charCodeAt(0))]));
    const pen = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    pen.drawImage(picture, 0, 0);
    const { data } = pen.getImageData(0, 0, picture.width, picture.height);
    let text = "";
    for (let start = 0; start < data.length; start += 32768) text += String.fromCharCode(...data.subarray(start, start + 32768));
    return [picture.width, picture.height, btoa(text)];
}"""
PICTURES = {
    "decision": ("#/", 1280, "light", "body"),
    "case": ("#/case/support_triage/billing-001/1?step=1", 1280, "dark", "body"),
    "graph": ("#/suite/support_triage", 768, "light", "section:has(> h2:text-is('Graph'))"),
    "trials": ("#/trials?outcome=fail", 390, "dark", "body"),
}


def regressed(folder: Path) -> Path:
    """Bless the suite in a copy of the project, make an older prompt the default, and return the report of the next run."""
    for name in ("graphs", "datasets", "cassettes/support_triage"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    config = folder / "harness.toml"
    text = (ROOT / "harness.toml").read_text("utf-8")
    config.write_text(text, "utf-8")
    _run(config, "run", "support_triage")
    _run(config, "bless")
    config.write_text(text.replace("support_triage.variants.v1]", "support_triage.variants.default]"), "utf-8")
    _run(config, "run", "support_triage", "-o", str(folder / "report.html"))
    return folder / "report.html"


def _run(config: Path, *arguments: str) -> None:
    CliRunner().invoke(main, ["--config", str(config), *arguments], catch_exceptions=False)


def small(chromium, png: bytes) -> bytes:
    """Return a picture in 256 colours, which is all that a page needs."""
    import numpy as np

    page = chromium.new_page()
    width, height, pixels = page.evaluate(PIXELS, base64.b64encode(png).decode())
    page.close()
    colours, places, counts = np.unique(
        np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(-1, 4)[:, :3] // 4 * 4 + 3,
        axis=0,
        return_inverse=True,
        return_counts=True,
    )
    palette = colours[np.argsort(-counts)[:256]].astype(int)
    nearest = np.array([((palette - colour) ** 2).sum(axis=1).argmin() for colour in colours.astype(int)], np.uint8)
    rows = np.hstack([np.zeros((height, 1), np.uint8), nearest[places.ravel()].reshape(height, width)])
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", palette.astype(np.uint8).tobytes()), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def take(report: Path, pictures: Path) -> None:
    """Take every picture of a report."""
    with browser.running() as chromium:
        reader = browser.Reader(chromium, report)
        for name, (place, width, scheme, part) in PICTURES.items():
            page = reader.open(place, width=width, color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.wait_for_timeout(500)
            shown = page if part == "body" else page.locator(part).last
            (pictures / f"report-{name}.png").write_bytes(small(chromium, shown.screenshot()))
        reader.close()


if __name__ == "__main__":
    images = ROOT / "docs" / "images"
    images.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        take(regressed(Path(made)), images)
