"""GitHub's events: every kind is taken, but a push and an issue must have what their messages need.

Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Tag


class Repository(BaseModel):
    full_name: str


class Pusher(BaseModel):
    name: str


class Commit(BaseModel):
    id: str
    message: str


class Push(BaseModel):
    ref: str  # refs/heads/main, refs/tags/v1
    created: bool = False
    deleted: bool = False
    forced: bool = False
    compare: str
    commits: list[Commit] = []
    pusher: Pusher
    repository: Repository


class User(BaseModel):
    login: str


class Issue(BaseModel):
    number: int
    title: str
    html_url: str
    user: User | None = None  # none when the account is gone


class IssueEvent(BaseModel):
    action: str
    issue: Issue
    repository: Repository


class OtherEvent(BaseModel):
    """All the rest, `ping` included: the inbox takes it as it is."""


def _kind(body: Any) -> str:
    """Tell the kind by the member that only it has.

    The body does not name its type, a header does.
    """
    if isinstance(body, dict):
        if "pusher" in body:
            return "push"
        if "issue" in body:
            return "issue"
    return "other"


GitHubEvent = Annotated[
    Annotated[Push, Tag("push")]
    | Annotated[IssueEvent, Tag("issue")]
    | Annotated[OtherEvent, Tag("other")],
    Discriminator(_kind),
]
