"""What another mechanism would change, as joins and partings."""

from crashes.grouping.proposals import Changes, Join, Parting, Standing, compare, plan_homes


def test_the_same_groups_change_nothing():
    changes = compare([(7, "x"), (7, "x"), (9, "y")])

    assert changes == Changes((), (), reports=3, groups=2)


def test_an_issue_goes_on_as_its_largest_group_and_the_rest_leaves():
    changes = compare([(7, "x")] * 9 + [(7, "y")] * 2)

    assert changes.partings == (Parting(7, "y", 2),)
    assert changes.joins == ()


def test_of_two_issues_in_one_group_the_larger_keeps_its_id():
    changes = compare([(7, "x")] * 2 + [(9, "x")] * 3)

    assert changes.joins == (Join(7, 9, 2),)


def test_ties_go_to_the_older():
    changes = compare([(7, "x"), (9, "x"), (7, "y")])

    assert changes.joins == (Join(9, 7, 1),)
    assert changes.partings == (Parting(7, "y", 1),)


def plan(placed, *, merged=None, apart=()):
    roots = {home: home for home, _ in placed} | (merged or {})
    pairs = frozenset(frozenset(pair) for pair in apart)
    return plan_homes(placed, Standing(roots, pairs))


def test_a_plan_without_people_is_what_the_comparison_says():
    placed = [(7, "x")] * 90 + [(7, "y")] * 10 + [(9, "x")] * 40 + [(9, "z")]

    found = plan(placed)

    assert found.homes == {(7, "x"): 7, (9, "x"): 7, (7, "y"): None, (9, "z"): None}
    assert found.ends == {9: 7}


def test_who_was_merged_goes_on_first_and_is_not_parted():
    placed = [(9, "x")] * 40 + [(7, "x")] * 5 + [(7, "y")]

    found = plan(placed, merged={7: 3})

    assert found.homes == {(9, "x"): 7, (7, "x"): 7, (7, "y"): 7}
    assert found.ends == {9: 7}


def test_two_that_are_merged_elsewhere_stay_two():
    found = plan([(7, "x"), (9, "x")], merged={7: 3, 9: 4})

    assert found.homes == {(7, "x"): 7, (9, "x"): 9}
    assert found.ends == {}


def test_what_was_merged_with_one_another_shares_a_home_and_keeps_both_rows():
    found = plan([(3, "x")] * 5 + [(7, "x")], merged={7: 3})

    assert found.homes == {(3, "x"): 7, (7, "x"): 7}
    assert found.ends == {}


def test_what_is_apart_gets_no_common_home():
    found = plan([(7, "x")] * 3 + [(9, "x")] * 2 + [(8, "x")], apart=[(7, 9)])

    assert found.homes == {(7, "x"): 7, (9, "x"): 9, (8, "x"): 7}
    assert found.ends == {8: 7}
