"""What a model does in an episode, local or served."""
