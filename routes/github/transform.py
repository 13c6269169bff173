"""GitHub's pushes and issues as chat messages: `{"text": …}`.

Titles and commit messages are strangers' words: if your chat reads markup in `text`, escape them
here.
"""

from relay import Event

from .payload import Commit, IssueEvent, Push

_MOST_COMMITS = 5
_MOST_CHARACTERS = 120


def push_to_chat(event: Event) -> dict[str, object]:
    """Say who pushed what where, with the first commits."""
    push: Push = event.body
    kind, _, name = push.ref.removeprefix("refs/").partition("/")
    what = "tag" if kind == "tags" else "branch"
    lines = [f"{push.repository.full_name}: {push.pusher.name} {_verb(push)} {what} {name}"]
    lines += [_line(commit) for commit in push.commits[:_MOST_COMMITS]]
    if (more := len(push.commits) - _MOST_COMMITS) > 0:
        lines.append(f"and {more} more")
    if not push.deleted:
        lines.append(push.compare)
    return {"text": "\n".join(lines)}


def issue_to_chat(event: Event) -> dict[str, object]:
    """Say what became of which issue."""
    change: IssueEvent = event.body
    issue = change.issue
    author = (
        issue.user.login if issue.user else "ghost"
    )  # GitHub's own name for accounts that are gone
    return {
        "text": f"{change.repository.full_name}: issue #{issue.number} {change.action}\n"
        f"{issue.title} (by {author})\n"
        f"{issue.html_url}"
    }


def _verb(push: Push) -> str:
    if push.deleted:
        return "deleted"
    if push.created:
        return "created"
    return "force-pushed to" if push.forced else "pushed to"


def _line(commit: Commit) -> str:
    first = commit.message.partition("\n")[0]
    return f"{commit.id[:7]} {first[:_MOST_CHARACTERS]}"
