"""A model of an application, faulty vendors and the policies between them: no text is sent twice or lost in silence.

``python -m tests.model --help`` runs as many random histories as you like; ``tests/test_model.py`` runs some of them.
"""
