"""Parts of methods: queue, key encoder, batch norm, gathering over processes."""
