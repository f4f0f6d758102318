# What stands in for images of others where no registry can be reached (`engine.py`): the same
# programs as Debian has them, at the same paths, under the same users.
ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BASE} AS programs
# hadolint ignore=DL3008 # Debian's newest: it is not shipped
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends postgresql-15 prometheus prometheus-alertmanager wget >/dev/null \
    && rm -rf /var/lib/apt/lists/*

FROM programs AS postgres
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
RUN install -d -o postgres -g postgres -m 700 "$PGDATA" \
    && install -d -o postgres -g postgres -m 3777 /var/run/postgresql
COPY --chmod=755 deploy/containers/stand-in-postgres.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]

FROM programs AS prometheus
RUN install -d -o nobody -g nogroup /prometheus
USER 65534
ENTRYPOINT ["prometheus"]

FROM programs AS alertmanager
RUN install -d -o nobody -g nogroup /alertmanager
USER 65534
ENTRYPOINT ["prometheus-alertmanager"]
