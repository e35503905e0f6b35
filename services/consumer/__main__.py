"""`python -m services.consumer --config FILE`."""

from services.consumer.process import main
from services.runtime.app import run
from trading_logic.contracts import config

if __name__ == "__main__":
    run("consumer", config.Consumer, main)
