"""`python -m services.ingest --config FILE`."""

from services.ingest.process import main
from services.runtime.app import run
from trading_logic.contracts import config

if __name__ == "__main__":
    run("ingest", config.Ingest, main)
