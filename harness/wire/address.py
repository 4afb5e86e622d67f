"""The address of a trial: which one a URL's path means to the server, and what of the path is the provider's."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

OWN = "/_harness"
RESTART = "/_restart"


@dataclass(frozen=True, slots=True)
class Address:
    """A suite, a variant of it, a case, and the label of one of its trials."""

    suite: str
    case: str
    variant: str = "default"
    label: str = "1"

    def __str__(self) -> str:
        variant = "" if self.variant == "default" else f"@{self.variant}"
        label = "" if self.label == "1" else f" ~{self.label}"
        return f"{self.suite}{variant}/{self.case}{label}"


def parse(target: str) -> tuple[Address | None, str]:
    """Part the target of a request, `/<suite>[@<variant>]/<case>[/~<label>]/<rest>`, into its trial and `/<rest>`.

    There is no trial where the path has less than a suite and a case.
    """
    path, mark, query = _relative(target).partition("?")
    parts = path.split("/")[1:]
    if len(parts) < 2 or not parts[0] or not parts[1]:  # noqa: PLR2004, suite and case
        return None, path
    suite, _, variant = unquote(parts[0]).partition("@")
    label = unquote(parts[2][1:]) if len(parts) > 2 and parts[2].startswith("~") else ""  # noqa: PLR2004, the third may be a label
    rest = parts[3 if label else 2 :]
    return Address(suite, unquote(parts[1]), variant or "default", label or "1"), f"/{'/'.join(rest)}{mark}{query}"


def _relative(target: str) -> str:
    """Return the path and query of a target, which a client may also write as a whole URL."""
    return re.sub(r"^https?://[^/?]*", "", target)
