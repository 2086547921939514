"""How good a classifier is: metrics, intervals, calibration."""
