"""The rollout of a model beside the people who decide today: backtest, parallel, supervised, expanding."""
