"""Which reports share a cause.

A crash walks through these modules:

    evidence    which type, which stack, which frames are the program's own
    normalize   one name for one function, whatever build it comes from; `curated` and `lists/`
    signature   the readable name
    mechanisms  exact key, index terms, score and decision, versioned and frozen
    index       which stored variants are worth comparing
    engine      all of it in memory, for files of stacks (`records`) and for tests

The database side does what `engine` does, with rows: look the exact key up; else fetch the
postings of `index.choose_terms`, let `index.rank_candidates` order them, and ask the mechanism's
`best_match`. `values` has what goes in and out, all of it with a JSON form where it is stored.
"""
