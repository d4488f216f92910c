"""The scenarios, in the order in which they run on one bench. Each is a function of the bench, the report, the options."""
from .books import books
from .cost import cost
from .killswitch import killswitch
from .latency import flow
from .latency import idle
from .smoke import smoke

SCENARIOS = {
    "smoke": smoke,
    "flow": flow,
    "killswitch": killswitch,
    "idle": idle,
    "books": books,
    "cost": cost,
}
