"""Secrets in documents: which kinds there are. Never what they are.

The laws of this file:

1. Kingfisher's rules are run on the text alone, in this process. Its validation and revocation,
   which would send a found secret to the service that it opens, are never called.
2. Nothing but the names of rules leaves this file; no text goes into the cache of rules.
"""

from __future__ import annotations

from pathlib import Path

from kingfisher_sdk import Rules, Scanner


class SecretScanner:
    """The compiled rules: five seconds to make, half of one with a cache, microseconds to use."""

    def __init__(self, cache: Path | None = None) -> None:
        """Compile the rules.

        Args:
            cache: a folder of this user alone where compiled rules are kept.
        """
        rules = Rules(cache=cache is not None, cache_dir=cache)
        self._scanner = Scanner(rules, redact=True)

    def scan(self, text: str) -> tuple[str, ...]:
        """Return the kinds of the secrets in `text`, in alphabetical order."""
        findings = self._scanner.scan(text.encode("utf-8", "replace"))
        return tuple(sorted({finding.rule_id for finding in findings if finding.visible}))
