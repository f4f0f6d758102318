#!/usr/bin/env bash
# Start the platform in containers from the images of a build, and run one month in it.
# COMMIT is their tag; each lies in images/image-TARGET/image.tar.gz.
set -euo pipefail

compose=(docker compose -f deploy/compose.yaml)

for file in images/image-*/image.tar.gz; do
    docker load --input "$file"
    target=$(basename "$(dirname "$file")")
    docker tag "${target#image-}:$COMMIT" "tip-platform/${target#image-}:latest"
done
sh deploy/containers/make-secrets.sh secrets
# Not one of the images that are pushed.
"${compose[@]}" build s3
"${compose[@]}" up --detach --wait --no-build
"${compose[@]}" exec -T code-location with-secrets tips run --month 2024-01 --sample
"${compose[@]}" exec -T app answers http://127.0.0.1:8501/_stcore/health
"${compose[@]}" down --volumes
