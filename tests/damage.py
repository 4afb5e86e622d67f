"""Damaged cassettes: files of every dialect, cut off, mutated and spliced by a seeded hand, and read as a case's.

`python tests/damage.py COUNT` reads that many, those of HARNESS_REFERENCE_DATA among them where it is set, and prints what came of it.
"""

import base64
import gzip
import json
import os
import random
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import ormsgpack
import yaml

from harness import store
from harness.cassette.exchange import Exchange, Request, Response
from harness.cassette.tape import Cassette
from harness.cassette.vcr_yaml import dumps
from harness.errors import CassetteError

ASKED = b'{"model": "m", "messages": [{"role": "user", "content": "O\xc3\xb9? \xf0\x9f\x98\x80"}]}'
SAID = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Là."}}]}
STREAM = 'data: {"choices": [{"index": 0, "delta": {"content": "Là."}}]}\n\ndata: [DONE]\n\n'
URL = "https://api.openai.com/v1/chat/completions"
OURS = (
    Exchange(
        Request("POST", URL, ASKED, (("content-type", "application/json"),)), Response(200, STREAM.encode()), latency_s=0.25, place="a#1:x"
    ),
    Exchange(Request("GET", "https://h/x", b"\xff"), Response(500, gzip.compress(b"x", mtime=0), (("content-type", "a/b"),))),
)


def foreign(body: object = None) -> dict:
    """Return a document as vcrpy writes it, with its JSON body, its compressed one and its streamed one."""
    headers = {"Content-Type": ["application/json"], "Content-Encoding": ["gzip"]}
    request = {"method": "POST", "uri": URL, "body": ASKED.decode(), "headers": {"accept": ["*/*"]}}
    bodies = [{"string": json.dumps(SAID)}, {"string": body or gzip.compress(json.dumps(SAID).encode(), mtime=0)}, {"string": STREAM}]
    responses = [{"status": {"code": 200, "message": "OK"}, "headers": headers, "body": one} for one in bodies]
    return {"version": 1, "interactions": [{"request": request, "response": response} for response in responses]}


def text(value: dict) -> bytes:
    """Write YAML."""
    return yaml.safe_dump(value, allow_unicode=True).encode()


def lists() -> dict:
    """Return two lists side by side, with what is redacted there."""
    items = foreign()["interactions"]
    return {"requests": [{**item["request"], "uri": "**REDACTED**"} for item in items], "responses": [item["response"] for item in items]}


def base64_inside() -> dict:
    """Return a document for JSON, which holds no bytes."""
    return foreign(base64.b64encode(gzip.compress(b"{}", mtime=0)).decode())


Wrap = Callable[[bytes], bytes]
DIALECTS: dict[str, tuple[bytes, str, Wrap]] = {
    "ours": (dumps(OURS).encode(), ".yaml", bytes),
    "vcrpy": (text(foreign()), ".yml", bytes),
    "vcrpy's tags": (text(foreign()).replace(b"accept:", b"!!python/object/apply:multidict._multidict.istr [accept]:"), ".yaml", bytes),
    "vcrpy's JSON": (json.dumps(base64_inside(), indent=1).encode(), ".json", bytes),
    "one exchange": (json.dumps(base64_inside()["interactions"][0]).encode(), ".json", bytes),
    "parsed bodies": (
        text(
            {
                "interactions": [
                    {"request": {"method": "POST", "uri": URL, "parsed_body": SAID}, "response": {"status": 200, "parsed_body": SAID}}
                ]
            }
        ),
        ".yaml",
        bytes,
    ),
    "references": (b"x: &a [{b: 1}]\ny: &b [*a, *a]\n" + text(foreign()) + b"z: [*b, *a]\n", ".yaml", bytes),
    "Betamax": (json.dumps({"http_interactions": base64_inside()["interactions"]}).encode(), ".json", bytes),
    "two lists, gzip": (text(lists()), ".yaml.gz", lambda data: gzip.compress(data, mtime=0)),
    "JSON, gzip": (json.dumps(base64_inside()).encode(), ".json.gz", lambda data: gzip.compress(data, mtime=0)),
    "MessagePack": (ormsgpack.packb(foreign()), ".msgpack", bytes),
    "MessagePack, zlib, base64": (ormsgpack.packb(foreign()), ".msgpack.zlib", lambda data: base64.b64encode(zlib.compress(data))),
}
PIECES = [
    *(b"", b"a", b" ", b"7", b"\x00", b"\xff", b"\xc3", "\u2028".encode(), b"\xef\xbb\xbf"),
    *(b"!!binary ", b"!!python/object/apply:os.system ", b"!!int ", b"!!float ", b"!!timestamp ", b"&a ", b"*a", b"<<: "),
    *(
        b"? ",
        b"- ",
        b": ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"|",
        b">",
        b"'",
        b'"',
        b"\\",
        b"\t",
        b"\n",
        b"%",
        b"@",
        b"`",
        b"~",
        b"=",
        b"---\n",
        b"...\n",
    ),
    *(b"1e999", b"-.inf", b"1:30:00", b"0x", b"null", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000),
    *(b"\x1f\x8b\x08", b"x\x9c", b"eJ", b"H4sI"),
    *(b"\x81", b"\x91", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc7\x08\x01"),
]


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Return the data cut off, or with some pieces changed, put in, taken out or doubled."""
    if draw.random() < 0.15:
        return data[: draw.randrange(len(data) + 1)]
    for _ in range(draw.choice([1, 1, 1, 2, 4, 16])):
        at, length = draw.randrange(len(data) + 1), draw.choice([0, 0, 1, 1, 5, 40, 400])
        start = draw.randrange(len(data) + 1)
        piece = draw.choice([draw.choice(PIECES), data[start : start + draw.choice([1, 30, 300])], draw.randbytes(draw.choice([1, 1, 4]))])
        data = data[:at] + piece + data[at + length :]
    return data


def files(count: int, seed: int, dialects: dict[str, tuple[bytes, str, Wrap]]) -> Iterator[tuple[str, str, bytes]]:
    """Yield damaged files, dialect by dialect; what is wrapped is damaged within its wrapping as often as without."""
    draw = random.Random(seed)  # noqa: S311, a fixed sequence
    names = sorted(dialects)
    for number in range(count):
        name = names[number % len(names)]
        plain, suffix, wrap = dialects[name]
        within = wrap is bytes or draw.random() < 0.5
        yield name, suffix, wrap(damaged(plain, draw)) if within else damaged(wrap(plain), draw)


def read(root: Path, suffix: str, data: bytes) -> str:
    """Read a file as a case's cassette, index it, and return what came of it; the file must be as it was, and alone."""
    folder = root / "cassettes" / "suite"
    path = folder / f"case{suffix}"
    path.write_bytes(data)
    try:
        Cassette(store.read_cassette(root, "suite", "case"))
        outcome = "read"
    except CassetteError as error:
        outcome = "refused"
        if not str(error).startswith(f"cassettes/suite/case{suffix}:") or "\n" in str(error):
            message = f"not one line with a place: {error}"
            raise AssertionError(message) from None
    if path.read_bytes() != data or [*folder.iterdir()] != [path]:
        message = "a file was written"
        raise AssertionError(message)
    path.unlink()
    return outcome


def reference_files() -> dict[str, tuple[bytes, str, Wrap]]:
    """Return the files of the collection as dialects of their own."""
    named = os.environ.get("HARNESS_REFERENCE_DATA")
    found = {}
    for path in sorted(Path(named, "cassettes").rglob("*")) if named else ():
        if path.is_file():
            data = path.read_bytes()
            packed = data.startswith(b"\x1f\x8b")
            plain = gzip.decompress(data) if packed else data
            found[path.name] = (
                plain,
                ".yaml.gz" if packed else path.suffix.replace(".zlib", ".msgpack.zlib"),
                gzip.compress if packed else bytes,
            )
    return found


def main() -> None:
    """Read damaged files and print how many were read and refused, and which took longest."""
    counts: Counter[tuple[str, str]] = Counter()
    slowest = (0.0, "")
    own = set(DIALECTS)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "cassettes" / "suite").mkdir(parents=True)
        for dialect, suffix, data in files(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1, DIALECTS | reference_files()):
            started = time.perf_counter()
            try:
                counts[dialect if dialect in own else "of the collection", read(root, suffix, data)] += 1
            except BaseException:
                Path("damaged").write_bytes(data)
                raise
            slowest = max(slowest, (time.perf_counter() - started, dialect))
    for (dialect, outcome), count in sorted(counts.items()):
        print(f"{count:8} {outcome:8} {dialect}")
    print(f"slowest: {slowest[0]:.3f} s, {slowest[1]}")


if __name__ == "__main__":
    main()
