"""One room per model: model.yaml, environment.yml, requirements.txt, Dockerfile, __main__.py.

May import worker.
"""
