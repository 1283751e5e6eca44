"""What happens when a project's money runs out, and when it comes in again."""
