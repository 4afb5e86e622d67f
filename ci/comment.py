"""Keep one comment on a pull request up to date with a summary: `python comment.py summary.md`, in a job of GitHub Actions.

The comment is found by the summary's first line. Where the token may not write, as for pull requests from forks, nothing is done; no
problem here makes a job fail, since the verdict does not depend on a comment.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

_A_PAGE = 100
_TIMEOUT_S = 30


def main() -> None:
    """Write or renew the comment, or say why there is none."""
    summary, event = Path(sys.argv[1]), json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))
    if not summary.is_file():
        _notice("there is no summary to comment with")
        return
    body = summary.read_text("utf-8")
    comments = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/{event['pull_request']['number']}/comments"
    try:
        known = _find(comments, body.partition("\n")[0])
        if known is None:
            _ask("POST", comments, {"body": body})
        else:
            _ask("PATCH", f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/comments/{known}", {"body": body})
    except urllib.error.HTTPError as error:
        _notice(f"the pull request got no comment: the token may not write there (HTTP {error.code})")
    except OSError as error:
        _notice(f"the pull request got no comment: {error}")


def _find(comments: str, first_line: str) -> int | None:
    """Return the id of the comment that a job wrote before; what people write is never renewed."""
    page = 1
    while True:
        found = _ask("GET", f"{comments}?per_page={_A_PAGE}&page={page}")
        for comment in found:
            if comment["user"]["type"] == "Bot" and comment["body"].startswith(first_line):
                return int(comment["id"])
        if len(found) < _A_PAGE:
            return None
        page += 1


def _ask(method: str, path: str, body: dict[str, str] | None = None) -> list[dict]:
    request = urllib.request.Request(  # noqa: S310, the address is the one of the job's own server
        os.environ["GITHUB_API_URL"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"},
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310, as above
        return json.load(answer)


def _notice(text: str) -> None:
    print(f"::notice title=harness::{text}")  # noqa: T201, this is how a job says something


if __name__ == "__main__":
    main()
