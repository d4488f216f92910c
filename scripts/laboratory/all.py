"""All scenarios on all three kinds of share, within a quarter of an hour: what waits runs beside what works."""
import json
import os
import subprocess
import sys
import threading

from .report import table

# One bench of each kind; and one on which nothing happens at all, until its requests are counted.
BENCHES = [("nfs3",), ("nfs4",), ("smb",), ("nfs4", "cost")]


def everything(script, options, own, told):
    """Runs the benches beside each other, each in a process of its own. What needs the processors takes turns. Returns
    0 where every figure of every bench is within its bound."""
    benches = []
    for number, (protocol, *names) in enumerate(BENCHES):
        rows = told / f"rows.{number}"
        command = [sys.executable, script, protocol, *(names or own), "--programs", options.programs,
                   "--tasks", str(options.tasks), "--idle", str(options.idle), "--rows", rows,
                   "--turn", told / "turn"] + ["--keep"] * options.keep + ["--realtime"] * options.realtime
        command += ["--tell-speed"] * options.tell_speed
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env={key: value for key, value in os.environ.items() if "INSIDE" not in key})
        name = " ".join([protocol, *names])
        reader = threading.Thread(target=pass_on, args=(process.stdout, name))
        reader.start()
        benches.append((process, reader, rows, name))
    return judge(benches)


def pass_on(stream, name):
    for line in stream:
        print(f"{name:<9}{line}", end="", flush=True)


def judge(benches):
    rows, failed = [], []
    for process, reader, path, name in benches:
        if process.wait() != 0 or not path.exists():
            failed.append(name)
        reader.join()
        rows += json.loads(path.read_text()) if path.exists() else []
    print(f"\n{table(rows)}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0
