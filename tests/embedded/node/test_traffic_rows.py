"""What docs/traffic.md says is seen on the page with each scenario, by requests."""

import re
from collections import Counter

from tests.embedded.kube import eventually
from tests.embedded.node.mesh import NAMESPACE, Mesh
from tests.embedded.node.rows import row
from tests.embedded.node.visits import (
    NO_RATINGS,
    NO_REVIEWS,
    PATIENCE,
    seen,
    settle,
    sign_in,
    visit,
    visits,
)

MANY = 200


def up(mesh: Mesh, scenario: str) -> None:
    mesh.up(scenario=scenario, observability='{"accessLogs": true}')


@row("traffic", "(empty)")
def test_without_a_scenario_every_version_has_its_turn(mesh: Mesh) -> None:
    up(mesh, "")
    settle(mesh, "none", "black", "red")


@row("traffic", "`all-v1`")
def test_with_every_service_at_v1_there_is_never_a_star(mesh: Mesh) -> None:
    up(mesh, "all-v1")
    settle(mesh, "none")
    assert Counter(visits(mesh, 40)) == {"none": 40}


@row("traffic", "`reviews-90-10`")
def test_a_tenth_of_the_visitors_sees_black_stars(mesh: Mesh) -> None:
    up(mesh, "reviews-90-10")
    settle(mesh, "none", "black")
    counted = Counter(visits(mesh, MANY))
    # Four standard deviations to each side of 20.
    assert counted["none"] + counted["black"] == MANY, counted
    assert 3 <= counted["black"] <= 37, counted


@row("traffic", "`reviews-50-50`")
def test_every_other_visitor_sees_red_stars(mesh: Mesh) -> None:
    up(mesh, "reviews-50-50")
    settle(mesh, "none", "red")
    counted = Counter(visits(mesh, MANY))
    assert counted["none"] + counted["red"] == MANY, counted
    assert 71 <= counted["red"] <= 129, counted


@row("traffic", "`reviews-v3`")
def test_everybody_sees_red_stars(mesh: Mesh) -> None:
    up(mesh, "reviews-v3")
    settle(mesh, "red")
    assert Counter(visits(mesh, 40)) == {"red": 40}


@row("traffic", "`jason-v2`")
def test_jason_sees_black_stars_and_others_none(mesh: Mesh) -> None:
    up(mesh, "jason-v2")
    settle(mesh, "none")
    jason, ann = sign_in(mesh, "jason"), sign_in(mesh, "ann")
    settle(mesh, "black", cookie=jason)
    assert Counter(visits(mesh, 20, jason)) == {"black": 20}
    assert Counter(visits(mesh, 20, ann)) == {"none": 20}
    assert Counter(visits(mesh, 20)) == {"none": 20}


@row("traffic", "`ratings-delay`")
def test_jason_waits_six_seconds_and_gets_no_reviews(mesh: Mesh) -> None:
    up(mesh, "ratings-delay")
    settle(mesh, "none")
    jason = sign_in(mesh, "jason")

    def waits() -> bool:
        answer = visit(mesh, jason)
        return seen(answer) == NO_REVIEWS and 6 <= answer.seconds < 7

    eventually(waits, PATIENCE)
    # Others are not held up: 7 seconds are what a request that waits takes at least.
    eventually(lambda: seen(answer := visit(mesh)) == "none" and answer.seconds < 3, PATIENCE)


@row("traffic", "`ratings-abort`")
def test_jason_is_told_at_once_that_there_are_no_ratings(mesh: Mesh) -> None:
    up(mesh, "ratings-abort")
    settle(mesh, "none")
    jason = sign_in(mesh, "jason")
    settle(mesh, NO_RATINGS, cookie=jason)
    eventually(lambda: seen(answer := visit(mesh, jason)) == NO_RATINGS and answer.seconds < 3, PATIENCE)
    assert Counter(visits(mesh, 20)) == {"none": 20}


@row("traffic", "`reviews-timeout`")
def test_reviews_are_given_up_after_half_a_second_twice(mesh: Mesh) -> None:
    up(mesh, "reviews-timeout")
    settle(mesh, NO_REVIEWS)
    # Twice 0.5 s, and not the 2 s that ratings takes.
    eventually(lambda: seen(answer := visit(mesh)) == NO_REVIEWS and 1 <= answer.seconds < 2, PATIENCE)

    def is_given_up() -> bool:
        """By another proxy, which hears of the rule in its own time."""
        answer = mesh.get(f"http://reviews.{NAMESPACE}:9080/reviews/0")
        return bool(answer["status"] == 504 and 0.5 <= answer["seconds"] < 2)

    eventually(is_given_up, PATIENCE)


@row("traffic", "`reviews-mirror`")
def test_v2_gets_a_copy_of_every_request_and_nobody_sees_it(mesh: Mesh) -> None:
    up(mesh, "reviews-mirror")
    settle(mesh, "none")
    names = {f'"visitor-{number}"' for number in range(20)}
    for name in names:
        # The page hands on what the caller says of its program, and access logs have it.
        assert seen(mesh.request(headers={"User-Agent": name.strip('"')})) == "none"

    def copied() -> bool:
        log = mesh.kubectl("logs", "deployment/reviews-v2", "--container=istio-proxy", f"--namespace={NAMESPACE}")
        asked = [line for line in log.splitlines() if '"GET /reviews/0 ' in line]
        return all(any(name in line for line in asked) for name in names)

    eventually(copied, PATIENCE)


@row("traffic", "`circuit-breaker`")
def test_one_visitor_after_the_other_is_served_and_of_many_at_once_some_are_not(mesh: Mesh) -> None:
    up(mesh, "circuit-breaker")
    eventually(lambda: [mesh.request().status for _ in range(20)] == [200] * 20, PATIENCE)

    def some_are_refused() -> bool:
        statuses = Counter(re.sub(" .*", "", each) for each in visits(mesh, 100))
        return statuses["503"] > 0 and statuses.total() - statuses["503"] > 0

    eventually(some_are_refused, PATIENCE)
    eventually(lambda: [mesh.request().status for _ in range(20)] == [200] * 20, PATIENCE)
