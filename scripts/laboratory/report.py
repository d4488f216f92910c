"""What was asserted: one row for each figure, with its bound."""
import json


class Report:
    """The rows of one protocol, shown as they come and as a table at the end."""

    def __init__(self, protocol, judges_speed=True):
        self.protocol, self.rows, self.judges_speed = protocol, [], judges_speed

    def row(self, scenario, what, seen, bound, holds, mark=None):
        mark = mark or ("ok" if holds else "FAIL")
        self.rows.append({"protocol": self.protocol, "scenario": scenario, "what": what, "seen": str(seen),
                          "bound": str(bound), "holds": bool(holds), "mark": mark})
        print(f"  {mark:<4} {scenario}: {what}: {seen} ({bound})", flush=True)

    def speed(self, scenario, what, seen, bound):
        """A time that says how quick it is, not whether it is right: on a machine with other work it is told, not judged."""
        slow = seen > bound
        self.row(scenario, what, f"{seen:.2f} s", f"<= {bound:g} s", not (slow and self.judges_speed),
                 "slow" if slow and not self.judges_speed else None)

    def at_most(self, scenario, what, seen, bound, unit="s"):
        """A figure that must not be above its bound."""
        shown = f"{seen:.2f} {unit}" if isinstance(seen, float) else f"{seen} {unit}"
        self.row(scenario, what, shown.strip(), f"<= {bound:g} {unit}".strip(), seen <= bound)

    def at_least(self, scenario, what, seen, bound):
        self.row(scenario, what, seen, f">= {bound}", seen >= bound)

    def equal(self, scenario, what, seen, wanted):
        self.row(scenario, what, seen, wanted, seen == wanted)

    def tell(self, scenario, what, seen):
        """A figure that has no bound."""
        self.row(scenario, what, seen, "", True)

    def holds(self):
        return bool(self.rows) and all(row["holds"] for row in self.rows)

    def show(self):
        print(f"\n{table(self.rows)}", flush=True)

    def save(self, path):
        path.write_text(json.dumps(self.rows))


def table(rows):
    """Returns the rows as a table for people, what failed with the command that repeats it."""
    heads = ("", "share", "scenario", "what", "seen", "bound")
    lines = [(row["mark"], row["protocol"], row["scenario"], row["what"], row["seen"],
              row["bound"]) for row in rows]
    widths = [max(len(line[column]) for line in [heads, *lines]) for column in range(len(heads))]
    text = [("  ".join(cell.ljust(width) for cell, width in zip(line, widths))).rstrip() for line in [heads, *lines]]
    again = sorted({(row["protocol"], row["scenario"]) for row in rows if not row["holds"]})
    text += [f"again: scripts/lab {protocol} {scenario}" for protocol, scenario in again]
    missed = sum(not row["holds"] for row in rows)
    slow = sum(row["mark"] == "slow" for row in rows)
    said = [f"{count} {word}" for count, word in [(missed, "missed"), (slow, "slow")] if count]
    text.append(f"{len(rows)} figures, {', '.join(said or ['all within their bounds'])}")
    return "\n".join(text)
