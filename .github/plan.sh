#!/usr/bin/env bash
# Plan what Terraform would change in AWS: plan.bin to apply, plan.txt to read, both in deploy/terraform.
# Usage: plan.sh [OPTION OF terraform plan ...]; the rest is said by variables:
# COMMIT   commit whose images shall run; empty: the one that runs now
# PLATFORM name of the deployment       BACKEND   text of a file for terraform init -backend-config
# SIZE     small or production          VARIABLES text of yours.tfvars
set -euo pipefail
cd "$(dirname "$0")/../deploy/terraform"

if [ -z "$COMMIT" ]; then
    image=$(aws ecs describe-task-definition --task-definition "$PLATFORM-app" \
        --query "taskDefinition.containerDefinitions[0].image" --output text)
    COMMIT=${image##*:}
fi
printf '%s\n' "$BACKEND" >backend.hcl
printf '%s\n' "$VARIABLES" >yours.tfvars
terraform init -input=false -backend-config=backend.hcl
# A later file outweighs an earlier one.
terraform plan -input=false -out=plan.bin -var-file="$SIZE.tfvars" -var-file=yours.tfvars \
    -var="name=$PLATFORM" -var="region=$AWS_REGION" -var="image_tag=$COMMIT" "$@"
terraform show -no-color plan.bin >plan.txt
