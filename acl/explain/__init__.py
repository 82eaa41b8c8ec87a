"""Why a request is permitted or denied, and which single change would permit it."""
