from services.ledger.process import main
from services.runtime.app import run
from trading_logic.contracts.config import LedgerConfig

run("ledger", LedgerConfig, main)
