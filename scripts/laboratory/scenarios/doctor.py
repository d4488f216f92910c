"""What `dispatch doctor` says of the share: alone on each side, then both together."""
import json
import threading

LIMIT_S = 240
WANTED = "MULTI"


def doctor(bench, report, _options):
    """dispatch doctor on one side, and on both at once: the share is good for everything"""
    judge(report, "alone on devbox", bench.a.run("dispatch", "doctor", "--json", limit=LIMIT_S))
    pair = {}

    def examine(node):
        pair[node] = node.run("dispatch", "doctor", "--pair", "--json", limit=LIMIT_S)

    threads = [threading.Thread(target=examine, args=(node,)) for node in bench.nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for node, ran in pair.items():
        judge(report, f"pair, {node.name}", ran)


def judge(report, what, ran):
    """One row for the verdict, and one for each check that did not pass."""
    try:
        said = json.loads(ran.out)
    except ValueError:
        report.row("doctor", what, f"status {ran.status}: {(ran.err or ran.out).strip()[-160:]}", WANTED, False)
        return
    took = ran.ended - ran.began
    report.row("doctor", what, f"{said['verdict'].upper()} in {took:.0f} s", WANTED, said["verdict"].upper() == WANTED)
    for check in said["checks"]:
        if check["state"] in ("warn", "fail", "unknown"):
            report.tell("doctor", f"{what}: {check['name']}", f"{check['state']}: {check['said']}"[:140])
