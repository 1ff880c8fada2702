"""Facts of a run in, what a person reads out: the report's page, one sentence, a comparison.

``page`` puts the sections together, ``sections`` turns facts into what is shown, ``plots`` draws,
``formatting`` writes numbers, ``headline`` is the one sentence for note, alert and log.
"""
