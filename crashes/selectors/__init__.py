"""Queries about crashes, each for a given viewer: the one place that says who may see what.

Rows outside the viewer's programs do not exist for a selector; what is not there is the table's
`DoesNotExist` (an `ObjectDoesNotExist`). Answers are values, so that no query starts in a page.
"""
