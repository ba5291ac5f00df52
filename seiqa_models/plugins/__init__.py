"""What lets learners and fusions come from elsewhere: a registry, and calls that name who fails."""
