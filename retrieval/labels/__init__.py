"""Changes of labels by people: requests, approvals, folders, jobs."""
