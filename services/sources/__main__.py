"""`python -m services.sources --config FILE`."""

from services.runtime.app import run
from services.sources.process import main
from trading_logic.contracts import config

if __name__ == "__main__":
    run("source", config.Source, main)
