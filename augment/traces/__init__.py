"""Traces: what a channel leaves on all of its pictures, by its encoders, scalers and graders."""
