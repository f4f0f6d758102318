#!/usr/bin/env bash
# Run one task on AWS, wait until it ends, and fail if it did:
# run-task.sh prepare_databases, or run-task.sh run_tips COMMAND OF tips ...
set -euo pipefail

# The command is one for a shell, as a person would paste it.
command=$(terraform -chdir="$(dirname "$0")/../deploy/terraform" output -raw "$1")
if [ "$1" = run_tips ]; then
    words=$(jq -cn '["tips"] + $ARGS.positional' --args -- "${@:2}")
    command=${command/'["tips", "history"]'/"$words"}
fi
task=$(bash -c "$command --query 'tasks[0].taskArn' --output text")
cluster=${task%/*}
cluster=${cluster##*/}
# A wait gives up after ten minutes; `tips drain`, after an hour.
stopped() { aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$task"; }
stopped || stopped || stopped || stopped || stopped || stopped || stopped
ended=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --output text \
    --query 'tasks[0].[containers[0].exitCode, stoppedReason]')
if [ "${ended%%[[:space:]]*}" != 0 ]; then
    echo "::error::$* failed: $ended ($task)"
    exit 1
fi
