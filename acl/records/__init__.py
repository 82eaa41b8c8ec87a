"""The system of record in SQL: documents, labels, policy revisions, the audit chain."""
