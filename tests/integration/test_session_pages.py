"""Signing in and out: nobody learns which names exist, nobody is sent to another site."""

import pytest
from django.test import Client

from tests.factories import PASSWORD, make_program, make_user
from uxp_diag.limits import limiter
from uxp_diag.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def full_buckets():
    limiter.cache_clear()
    yield
    limiter.cache_clear()


@pytest.fixture
def user():
    return make_user(Role.VIEWER, programs=[make_program()])


def sign_in(client, username, password=PASSWORD, target=""):
    return client.post("/sign-in/", {"username": username, "password": password, "next": target})


def test_signing_in_leads_to_the_page_one_came_for(user):
    client = Client()

    first = client.get("/symbols/?q=libc")
    response = sign_in(client, user.username, target="/symbols/?q=libc")

    assert first.headers["Location"] == "/sign-in/?next=/symbols/%3Fq%3Dlibc"
    assert response.headers["Location"] == "/symbols/?q=libc"
    assert client.get("/symbols/?q=libc").status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "\tjavascript:alert(1)",
        "///evil.example",
        "http:evil.example",
        "",
    ],
)
def test_only_our_own_addresses_are_followed(user, target):
    assert sign_in(Client(), user.username, target=target).headers["Location"] == "/"


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(user):
    def answer(username):
        response = sign_in(Client(), username, password="wrong")
        text = response.content.decode().replace(username, "NAME")
        token_free = [line for line in text.splitlines() if "csrf" not in line.lower()]
        return response.status_code, token_free

    assert answer(user.username) == answer("nobody-of-this-name")
    assert answer(user.username)[0] == 422


def test_somebody_who_is_signed_in_is_not_asked_again(user):
    client = Client()
    client.force_login(user)

    assert client.get("/sign-in/?next=/symbols/").headers["Location"] == "/symbols/"


def test_a_disabled_account_is_out_at_once(user):
    client = Client()
    client.force_login(user)
    user.is_active = False
    user.save()

    assert client.get("/").status_code == 302
    assert sign_in(Client(), user.username).status_code == 422


def test_signing_out_takes_a_post(user):
    client = Client()
    client.force_login(user)

    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").headers["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_a_session_that_ended_makes_htmx_load_the_sign_in_page():
    response = Client().get("/?q=is:muted", headers={"HX-Request": "true"})

    assert response.headers["HX-Redirect"].startswith("/sign-in/?next=")


def test_a_form_without_a_token_is_refused_in_words(user):
    client = Client(enforce_csrf_checks=True)

    response = sign_in(client, user.username)

    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


def test_light_and_dark_are_remembered_without_script():
    client = Client()

    response = client.post("/theme/", {"theme": "dark", "next": "/sign-in/"})

    assert response.headers["Location"] == "/sign-in/"
    assert 'data-theme="dark"' in client.get("/sign-in/").content.decode()


@pytest.mark.parametrize("theme", ["", "blue", '"><script>'])
def test_a_theme_that_is_none_changes_nothing(theme):
    client = Client()
    client.post("/theme/", {"theme": theme})
    client.cookies["uxp_theme"] = theme

    assert 'data-theme="system"' in client.get("/sign-in/").content.decode()


def fail(username, times, *, address="192.0.2.1", client=None):
    client = client or Client(REMOTE_ADDR=address)
    return [sign_in(client, username, password="wrong").status_code for _ in range(times)]


def test_ten_wrong_passwords_for_a_name_and_one_has_to_wait(user):
    for username in (user.username, "nobody-of-this-name"):
        assert fail(username, 12) == [422] * 10 + [429] * 2
        refused = sign_in(Client(REMOTE_ADDR="198.51.100.7"), username.upper())

        assert refused.status_code == 429
        assert int(refused["Retry-After"]) >= 1
        assert "Too many tries" in refused.content.decode()
        assert "sessionid" not in refused.cookies


def test_fifty_wrong_passwords_from_a_network_and_it_has_to_wait(user):
    codes = [fail(f"name-{n}", 1, address=f"192.0.2.{n}")[0] for n in range(52)]

    assert codes == [422] * 50 + [429] * 2
    assert sign_in(Client(REMOTE_ADDR="192.0.2.99"), user.username).status_code == 429
    assert sign_in(Client(REMOTE_ADDR="198.51.100.7"), user.username).status_code == 302


def test_signing_in_again_and_again_is_no_failure(user):
    codes = [sign_in(Client(), user.username).status_code for _ in range(60)]

    assert codes == [302] * 60


def test_a_browser_that_was_in_before_is_not_kept_out_by_others(user):
    mine = Client(REMOTE_ADDR="198.51.100.7")
    sign_in(mine, user.username)
    mine.post("/sign-out/")

    fail(user.username, 12)

    assert sign_in(Client(REMOTE_ADDR="203.0.113.9"), user.username).status_code == 429
    assert sign_in(mine, user.username).status_code == 302


def test_a_cookie_of_ones_own_making_opens_nothing(user):
    fail(user.username, 10)
    stranger = Client(REMOTE_ADDR="198.51.100.7")
    stranger.cookies["uxp_known"] = "made:up:cookie"

    assert sign_in(stranger, user.username).status_code == 429


def test_a_known_browser_may_fail_ten_times_too(user):
    mine = Client()
    sign_in(mine, user.username)
    mine.post("/sign-out/")

    assert fail(user.username, 11, client=mine) == [422] * 10 + [429]
