# What has to be there before the rest: the bucket of Terraform's state, and the roles by which GitHub's
# workflows build, plan and apply. Applied once, by a person who administers the account.

terraform {
  required_version = "~> 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Platform = var.name
    }
  }
}

variable "name" {
  description = "Name of the deployment, as in ../variables.tf."
  type        = string
  default     = "tip-platform"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "The name is 3 to 20 small letters, digits and hyphens, a letter first."
  }
}

variable "account_id" {
  description = "AWS account to deploy to."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account is a number of 12 digits."
  }
}

variable "region" {
  description = "AWS region to deploy to."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region is a name such as eu-central-1."
  }
}

variable "repository" {
  description = "Repository on GitHub whose workflows deploy, as its tokens name it (Settings, Actions, OIDC): owner/name, or with ids if it was made after June 2026."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+(@[0-9]+)?/[A-Za-z0-9._-]+(@[0-9]+)?$", var.repository))
    error_message = "A repository is owner/name or owner@123/name@456."
  }
}

variable "client_secrets" {
  description = "Where the secrets of the identity provider's clients are, which a plan reads; as in ../variables.tf."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9/_+=.@-]+$", var.client_secrets))
    error_message = "The beginning of the names of secrets in Secrets Manager."
  }
}

output "state" {
  description = "The backend of the rest: terraform init with these as -backend-config."
  value = {
    bucket     = aws_s3_bucket.state.bucket
    key        = "${var.name}.tfstate"
    region     = var.region
    kms_key_id = aws_kms_key.state.arn
  }
}

output "roles" {
  description = "Roles for GitHub's workflows: the variables AWS_IMAGES_ROLE and so on."
  value       = { for name, role in aws_iam_role.workflow : name => role.arn }
}
