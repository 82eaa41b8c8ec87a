"""Commands about a policy: checked in a folder, proposed, proved, activated."""
