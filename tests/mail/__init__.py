"""Letters and text messages, given to real servers."""
