#!/usr/bin/env bash
# Bring the databases to the schema of the code that is about to run: one task, awaited.
set -euo pipefail
cd "$(dirname "$0")/../deploy/terraform"

# The command is one for a shell, as a person would paste it.
task=$(bash -c "$(terraform output -raw prepare_databases) --query 'tasks[0].taskArn' --output text")
cluster=${task%/*}
cluster=${cluster##*/}
aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$task"
ended=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --output text \
    --query 'tasks[0].[containers[0].exitCode, stoppedReason]')
if [ "${ended%%[[:space:]]*}" != 0 ]; then
    echo "::error::The databases could not be prepared, and nothing else was changed: $ended ($task)"
    exit 1
fi
