"""Rules of the workflows of continuous integration: what a pull request may do, what may deploy.

Each takes the workflows' texts and names what breaks it. Does not belong here: what the linters of
`make lint` find in any repository's workflows.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"

# What changes AWS, or a registry, or asks for rights to.
CHANGING = re.compile(
    r"terraform \S* ?(apply|destroy)|docker push|aws ecs (run-task|update-service)"
    r"|prepare-databases|AWS_(IMAGES|APPLY)_ROLE|get-login-password"
)
# A secret; the token that GitHub gives to each job is limited by the job's permissions.
SECRET = re.compile(r"\bsecrets\b(?!\.GITHUB_TOKEN)")
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")

Texts = dict[str, str]


class Job(NamedTuple):
    """One job of a workflow, as written, with its workflow's name in its own."""

    name: str
    workflow: str
    body: dict[str, Any]
    inherited: Any = None

    @property
    def text(self) -> str:
        """The job as YAML, without comments, with the variables of its workflow."""
        return yaml.safe_dump([self.body, self.inherited], width=1000)

    @property
    def permissions(self) -> dict[str, str]:
        """What the job's token may do."""
        given = self.body.get("permissions", {})
        return given if isinstance(given, dict) else {"everything": str(given)}

    @property
    def environment(self) -> str:
        """The environment whose protection rules hold for the job; empty: none."""
        return str(self.body.get("environment", ""))

    @property
    def commands(self) -> str:
        """What its steps run in a shell."""
        return "\n".join(step["run"] for step in self.body.get("steps", []) if "run" in step)


def texts() -> Texts:
    """The committed workflows, by file name."""
    return {path.name: path.read_text() for path in sorted(WORKFLOWS.glob("*.yml"))}


@lru_cache(maxsize=64)
def parsed(text: str) -> dict[Any, Any]:
    """A workflow. YAML 1.1 reads its key `on` as true."""
    workflow: dict[Any, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return workflow


def events(text: str) -> set[str]:
    """What starts a workflow."""
    started_by = parsed(text)[True]
    return {started_by} if isinstance(started_by, str) else set(started_by)


def jobs(workflows: Texts) -> Iterator[Job]:
    """Every job of every workflow."""
    for workflow, text in workflows.items():
        for name, body in parsed(text)["jobs"].items():
            yield Job(f"{workflow}: {name}", workflow, body, parsed(text).get("env"))


def of_pull_requests(workflows: Texts) -> list[Job]:
    """The jobs that a pull request can start, those of called workflows among them."""
    reached = {name for name, text in workflows.items() if "pull_request" in events(text)}
    while True:
        found = [job for job in jobs(workflows) if job.workflow in reached]
        called = {Path(job.body["uses"]).name for job in found if "uses" in job.body}
        if called <= reached:
            return found
        reached |= called


def used(workflows: Texts) -> list[str]:
    """What each `uses:` says, with its comment, without what lies in this repository."""
    lines = re.findall(r"^[ -]*uses: (.+)$", "\n".join(workflows.values()), re.MULTILINE)
    return [line.strip() for line in lines if not line.startswith("./")]


def unpinned_actions(workflows: Texts) -> list[str]:
    return [line for line in used(workflows) if not PINNED.match(line)]


def actions_in_two_versions(workflows: Texts) -> list[str]:
    pins = {tuple(line.split("@", 1)) for line in used(workflows)}
    names = [name for name, _ in pins]
    return sorted({name for name in names if names.count(name) > 1})


def dangerous_events(workflows: Texts) -> list[str]:
    """Events that run with the rights of main on what a stranger wrote."""
    bad = {"pull_request_target", "workflow_run", "issue_comment"}
    return [name for name, text in workflows.items() if events(text) & bad]


def undeclared_permissions(workflows: Texts) -> list[str]:
    declared_empty = [n for n, text in workflows.items() if parsed(text).get("permissions") != {}]
    return declared_empty + [
        job.name for job in jobs(workflows) if not isinstance(job.body.get("permissions"), dict)
    ]


def secrets_on_pull_requests(workflows: Texts) -> list[str]:
    return [job.name for job in of_pull_requests(workflows) if SECRET.search(job.text)]


def changes_on_pull_requests(workflows: Texts) -> list[str]:
    return [job.name for job in of_pull_requests(workflows) if CHANGING.search(job.text)]


def roles_on_pull_requests(workflows: Texts) -> list[str]:
    """Jobs that may become a role in AWS, save the one that reads to plan."""
    return [
        job.name
        for job in of_pull_requests(workflows)
        if "id-token" in job.permissions and job.environment != "plan" and "uses" not in job.body
    ]


def roles_without_a_limit(workflows: Texts) -> list[str]:
    """A role is bound to main, which only workflows started there have, or to an environment."""
    return [
        job.name
        for job in jobs(workflows)
        if "id-token" in job.permissions
        and not job.environment
        and not events(workflows[job.workflow]) <= {"push", "workflow_dispatch"}
    ]


def roles_with_other_rights(workflows: Texts) -> list[str]:
    """A job that is a role in AWS cannot write to the repository or to its pull requests."""
    return [
        job.name
        for job in jobs(workflows)
        if "id-token" in job.permissions
        and job.permissions != {"contents": "read", "id-token": "write"}
    ]


def strangers_with_roles(workflows: Texts) -> list[str]:
    """Whatever runs in a job can take its token: who needs none gets a job of its own."""
    known = ("./", "actions/", "aws-actions/", "hashicorp/")
    return [
        job.name
        for job in jobs(workflows)
        if "id-token" in job.permissions
        and not all(step.get("uses", "./").startswith(known) for step in job.body.get("steps", []))
    ]


def changes_away_from_main(workflows: Texts) -> list[str]:
    """Jobs that change AWS in a workflow that anything but main, or a person, starts."""
    allowed = {"push", "workflow_dispatch"}
    return [
        job.name
        for job in jobs(workflows)
        if CHANGING.search(job.text)
        and (
            not events(workflows[job.workflow]) <= allowed
            or parsed(workflows[job.workflow])[True]["push"] != {"branches": ["main"]}
        )
    ]


def applied_without_approval(workflows: Texts) -> list[str]:
    """Only the environment `production` asks somebody; and what is asked for comes from a plan."""
    return [
        job.name
        for job in jobs(workflows)
        if re.search(r"terraform \S* ?apply", job.text)
        and (job.environment != "production" or job.body.get("needs") != "plan")
    ]


def unbounded_jobs(workflows: Texts) -> list[str]:
    return [
        job.name
        for job in jobs(workflows)
        if "uses" not in job.body and not 0 < job.body.get("timeout-minutes", 0) <= 60
    ]


def unlimited_workflows(workflows: Texts) -> list[str]:
    """A called workflow runs within its caller's group or its own."""
    return [
        name
        for name, text in workflows.items()
        if "concurrency" not in parsed(text) and events(text) != {"workflow_call"}
    ]


def deaf_pipes(workflows: Texts) -> list[str]:
    """GitHub's own choice of a shell goes on when the first command of a pipe fails."""
    named = {"run": {"shell": "bash"}}
    return [name for name, text in workflows.items() if parsed(text).get("defaults") != named]


def artifacts_that_stop_a_second_try(workflows: Texts) -> list[str]:
    """A job that is run again uploads under the name that its first try has taken."""
    return [
        job.name
        for job in jobs(workflows)
        for step in job.body.get("steps", [])
        if "/upload-artifact@" in step.get("uses", "") and step["with"].get("overwrite") is not True
    ]


def expressions_in_commands(workflows: Texts) -> list[str]:
    """An expression is pasted into the script before the shell reads it: variables are not."""
    return [job.name for job in jobs(workflows) if "${{" in job.commands]


def missing_commands(workflows: Texts) -> list[str]:
    """Targets of make, and files of this repository, that are called and do not exist."""
    commands = "\n".join(job.commands for job in jobs(workflows))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"^make ([a-z-]+)", commands, re.MULTILINE))
    files = set(
        re.findall(r"(?<!\S)(?:\./)?([\w.-]+/[\w/.-]*(?:\.sh|\.py|/run|Dockerfile))", commands)
    )
    return sorted(called - targets) + sorted(file for file in files if not (ROOT / file).exists())
