"""The backtest: past cases through the same stages, draws and gates as a live rollout, before anything is live."""
