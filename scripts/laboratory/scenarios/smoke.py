"""One task each way."""


def smoke(bench, report, _options):
    """one task each way, and its signed answer"""
    for node in bench.nodes:
        lane = f"{node.name} to {node.peer.name}"
        sent = node.send("echo smoke")
        ran, answer = node.wait(sent.task, 60)
        report.equal("smoke", f"{lane}: answer", answer.get("final_text"), "echo smoke")
        report.equal("smoke", f"{lane}: status of wait", ran.status, 0)
