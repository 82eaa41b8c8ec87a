"""Labels of record: changes, history, shares, folders, and the requests that wait for somebody."""
