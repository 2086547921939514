"""What every training needs: run, checkpoints, processes, tracking."""
