from tests.e2e.access_service import access
from tests.provisioning import idp, scim
from tests.serving import service

__all__ = ["access", "idp", "scim", "service"]
