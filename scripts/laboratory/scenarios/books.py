"""What is left at the end: nothing that should not be there, and audit logs that verify."""
import json

from ..feed import until


def books(bench, report, _options):
    """fsck is clean, and the audit logs of both sides are complete and verify"""
    quiet = until(lambda: all(is_quiet(node) for node in bench.nodes), 60, 1)
    report.equal("books", "nothing waits or runs any more", quiet, True)
    for node in bench.nodes:
        ran = node.run("dispatch", "fsck", "--json", limit=120)
        faults = sorted({json.loads(line).get("fault", "?") for line in ran.out.splitlines()})
        report.row("books", f"{node.name}: fsck", ", ".join(faults) or "clean", "clean", ran.status == 0)
        ran = node.run("dispatch", "log", "--verify", limit=120)
        report.row("books", f"{node.name}: audit logs", "verify" if ran.status == 0 else ran.out.strip()[-200:], "verify",
                   ran.status == 0)
        started = {task for task, _, _ in node.starts()}
        told = events(node, "task_exec_start", "task_exec_end", "task_commit")
        report.equal("books", f"{node.name}: tasks started here that its log does not end", len(started - told), 0)


def is_quiet(node):
    """Whether the watcher has no attempt and no task in hand, as `dispatch status --json` tells."""
    status = node.run("dispatch", "status", "--json")
    lanes = json.loads(status.out).get("lanes", []) if status.out else [{}]
    return all(not lane.get(count) for lane in lanes for count in ("queued", "pending_ack", "processing"))


def events(node, *words):
    """Returns the tasks that this node's own log has such an event of."""
    flags = [flag for word in words for flag in ("--event", word)]
    ran = node.run("dispatch", "log", "--json", "--node", node.name, *flags, limit=120)
    records = (json.loads(line) for line in ran.out.splitlines())
    return {record["task_id"] for record in records}
