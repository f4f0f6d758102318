#!/usr/bin/env bash
# Wait until every service of PLATFORM runs the images of COMMIT. ECS puts back the old ones when the
# new ones do not become healthy: that is a failure, too.
set -euo pipefail

read -ra services < <(aws ecs list-services --cluster "$PLATFORM" --query serviceArns --output text)
# A wait gives up after ten minutes; ECS, on what starts and is never healthy, after half an hour.
stable() { aws ecs wait services-stable --cluster "$PLATFORM" --services "${services[@]}"; }
stable || stable || stable || stable
read -ra definitions < <(aws ecs describe-services --cluster "$PLATFORM" --services "${services[@]}" \
    --query 'services[].taskDefinition' --output text)
for definition in "${definitions[@]}"; do
    image=$(aws ecs describe-task-definition --task-definition "$definition" --output text \
        --query 'taskDefinition.containerDefinitions[0].image')
    if [ "${image##*:}" != "$COMMIT" ]; then
        echo "::error::ECS went back to $image in $definition"
        exit 1
    fi
done
