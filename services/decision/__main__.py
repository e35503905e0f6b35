"""`python -m services.decision --config FILE`."""

from services.decision.process import main
from services.runtime.app import run
from trading_logic.contracts import config

if __name__ == "__main__":
    run("decision", config.DecisionConfig, main)
