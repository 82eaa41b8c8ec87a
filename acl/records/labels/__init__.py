"""Labels of record: changes, history, shares, folders, jobs, and approvals."""
