from services.executor.app import main
from services.runtime.app import run
from trading_logic.contracts.config import ExecutorConfig

run("executor", ExecutorConfig, main)
