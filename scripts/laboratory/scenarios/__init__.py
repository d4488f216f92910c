"""The scenarios, in the order in which they run on one bench. Each is a function of the bench, the report, the options."""
from .books import books
from .cost import cost
from .doctor import doctor
from .faults import faults
from .killswitch import killswitch
from .latency import flow
from .latency import idle
from .loss import loss
from .smoke import smoke

SCENARIOS = {
    "smoke": smoke,
    "flow": flow,
    "killswitch": killswitch,
    "idle": idle,
    "doctor": doctor,
    "faults": faults,
    "loss": loss,
    "books": books,
    "cost": cost,
}

# Those that need the processors to themselves; those that only wait, and may go first meanwhile; and those that `all`
# leaves out or gives a bench of its own.
LOUD = {"flow", "killswitch", "doctor", "faults"}
QUIET = {"idle", "loss"}
APART = {"cost", "doctor"}
