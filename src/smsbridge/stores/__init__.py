"""What has to outlive a process, and where it is kept."""
