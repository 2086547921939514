"""Probes of a backbone's features: kNN, linear, few-shot and fine-tuned."""
