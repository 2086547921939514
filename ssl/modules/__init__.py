"""What methods are built of: queue, key encoder, batch norm, gathering."""
