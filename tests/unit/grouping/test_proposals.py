"""What another mechanism would change, as joins and partings."""

from crashes.grouping.proposals import Changes, Join, Parting, compare


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
