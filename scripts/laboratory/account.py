"""What became of every task: none lost, none started twice, every outcome right. By the agents' own count of starts."""
import collections


def account(report, feed, told, started, attempts_ended):
    """Compares what was sent, what its sender is told, and what the agents wrote down. `attempts_ended` is how many
    attempts were killed at most: so many may have an end that is not known."""
    lane = f"{feed.node.name} to {feed.node.peer.name}"
    answered = {task: line for task, line in told.items() if line["state"] == "answered"}
    lost = set(feed.sent) - set(answered) - absent(feed, told)
    starts = collections.Counter(task for task, _, _ in started)
    attempts = collections.Counter((task, attempt) for task, attempt, _ in started)
    once = [task for task, count in starts.items() if count > 1 and not may_repeat(feed, task)]
    twice = set(once) | {task for (task, _), count in attempts.items() if count > 1}
    wrong = [f"{task} {line['status']} {line['final_text']!r} {line['detail']}" for task, line in answered.items()
             if not is_right(line, feed.sent[task], starts[task])]
    unclear = [task for task, line in answered.items() if line["status"] == "indeterminate"]
    report.at_least("faults", f"{lane}: tasks sent", len(feed.sent), feed.count)
    report.equal("faults", f"{lane}: lost", len(lost), 0)
    report.equal("faults", f"{lane}: started twice", len(twice), 0)
    report.equal("faults", f"{lane}: outcomes that are not right", len(wrong), 0)
    report.at_most("faults", f"{lane}: end not known, as told", len(unclear), attempts_ended, "")
    told_unknown, refused = len(feed.unknown()), len(feed.failed)
    report.tell("faults", f"{lane}: sends told 'not known yet', and refused", f"{told_unknown}, {refused}")
    for task in [*sorted(lost), *sorted(twice), *wrong]:
        print(f"       {task} {told.get(task, {})}")


def absent(feed, told):
    """Tasks that their sender was never promised: 'not known yet', and then nowhere."""
    return {task for task in feed.unknown() if told.get(task, {}).get("state") in (None, "absent", "unknown")}


def may_repeat(feed, task):
    return task in feed.sent and feed.sent[task].idempotent


def is_right(line, sent, starts):
    """A success says what was asked for and was started; an end that is not known is of something that ran once."""
    if line["status"] == "ok":
        return line["final_text"] == sent.words and starts >= 1
    return line["status"] == "indeterminate" and not sent.idempotent and starts <= 1
