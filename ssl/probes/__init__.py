"""What a backbone's features know: kNN, linear and fine-tuned probes."""
