"""`tips rehearse`: simulate months under the platform's rules.

Draws months and runs the platform's own functions on them, without MLflow, files or servers.
"""
