"""From bytes to text: parsed in a child process with limits, and scanned for secrets."""
