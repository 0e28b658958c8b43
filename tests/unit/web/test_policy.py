"""Every answer has the policy of the settings, unless a view wants another."""

import pytest
from csp.decorators import csp_exempt, csp_update
from csp.utils import build_policy
from django.http import HttpResponse
from django.test import RequestFactory

from uxp_diag.web.policy import PolicyMiddleware

HEADER = "Content-Security-Policy"


def answered(view, request=None):
    return PolicyMiddleware(view)(request or RequestFactory().get("/"))


def test_the_header_is_the_policy_of_the_settings():
    response = answered(lambda request: HttpResponse("x"))

    assert set(response[HEADER].split("; ")) == set(build_policy().split("; "))
    assert "default-src 'none'" in response[HEADER]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [(csp_update({"img-src": "https://example.com"}), "https://example.com"), (csp_exempt(), "")],
)
def test_a_view_may_want_another(wish, expected):
    response = answered(wish(lambda request: HttpResponse("x")))

    assert expected in response.get(HEADER, "")
    assert (HEADER in response) == bool(expected)
