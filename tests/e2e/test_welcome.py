"""The page at `/` says what this is and where its doors are, with no network and no token."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from retrieval.service.http.authentication import PUBLIC
from retrieval.service.http.envelope import HEADERS
from tests.serving import ADA, FILES, Service


class Page(HTMLParser):
    """Where a page leads, and of which elements it is made."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.elements: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]


def test_the_page_leads_to_every_door(service: Service) -> None:
    with service.client() as client:
        answer = client.get("/")
        page = Page(answer.text)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert {client.get(f"/{link}").status_code for link in page.links} == {200}
        document = client.get("/openapi.json").json()
    assert {f"/{link}" for link in page.links} == PUBLIC - {"/"}
    assert all(path in answer.text for path in document["paths"])
    assert "POST /v1/search" in answer.text


def test_the_page_needs_no_network_and_runs_nothing(service: Service) -> None:
    with service.client() as client:
        answer = client.get("/")
    assert not {"script", "link", "img", "iframe", "form"} & Page(answer.text).elements
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    other = {name: value for name, value in HEADERS.items() if name != "Content-Security-Policy"}
    assert {name: answer.headers[name] for name in other} == other


def test_the_page_says_nothing_of_the_installation(service: Service) -> None:
    with service.client() as client:
        text = client.get("/").text
    settings = service.settings
    secrets = [settings.issuer, str(settings.data_dir), str(settings.policy_dir)]
    secrets += ["acme", "user:ada", *service.documents.values(), *FILES]
    assert not [one for one in secrets if one and one in text]


@pytest.mark.parametrize("path", sorted(PUBLIC - {"/.well-known/security.txt"}))
def test_no_answer_without_a_token_names_an_outside_address(service: Service, path: str) -> None:
    with service.client() as client:
        text = client.get(path).text
    own = service.settings.public_url or service.server.address
    assert set(re.findall(r"\w+://[^/\"'\s<]+", text)) <= {own}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_page_that_loads_scripts_from_elsewhere_is_not_there(service: Service, path: str) -> None:
    with service.as_(ADA) as client:
        assert client.get(path).status_code == 404
