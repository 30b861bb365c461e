"""A declaration over history: `streams backtest` shows alerts, `streams run` writes rows. Nothing is produced."""
