"""A cassette file in any dialect, told by what it holds and never by its name."""

from harness.cassette.dialect import base64_text, gzipped, json_text, message_pack, yaml_text
from harness.cassette.dialect.document import Dialect, exchanges
from harness.cassette.exchange import Exchange
from harness.errors import CassetteError

_DIALECTS: tuple[Dialect, ...] = (gzipped, message_pack, base64_text, json_text, yaml_text)
_MOST_WRAPPINGS = 3


def read_file(data: bytes, path: str) -> tuple[Exchange, ...]:
    """Return the exchanges of a cassette file; CassetteError with path and place for what is none."""
    for _ in range(_MOST_WRAPPINGS + 1):
        if not data:
            return ()
        dialect = next(dialect for dialect in _DIALECTS if dialect.claims(data))
        found = dialect.opened(data, path)
        if not isinstance(found, bytes):
            return exchanges(found, path)
        data = found
    message = f"{path}: cannot be read: it is wrapped more than {_MOST_WRAPPINGS} times"
    raise CassetteError(message)
