"""The scenarios, in the order in which they run on one bench. Each is a function of the bench, the report, the options."""
from .smoke import smoke

SCENARIOS = {
    "smoke": smoke,
}
