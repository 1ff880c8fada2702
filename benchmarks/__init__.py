"""This project against the article's code, step by step, on the same data in one run.

``article`` is the baseline: stock LightFM, psycopg2 and annoy, used as their manuals show.
``comparison`` runs each step both ways and checks that the results agree; ``cost`` measures one side.
"""
