"""The public listener: incoming webhooks, and nothing else."""
