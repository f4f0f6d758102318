"""What goes into the images and beside them, and the rehearsal of both.

Belongs here: the entrypoint, the health check and the workspace of the images, the maker of secrets
for `compose.yaml`, and `python -m deploy.containers`, which builds and runs everything.
"""
