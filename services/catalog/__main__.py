"""`python -m services.catalog --config FILE`."""

from services.catalog.process import main
from services.runtime.app import run
from trading_logic.contracts import config

if __name__ == "__main__":
    run("catalog", config.Catalog, main)
