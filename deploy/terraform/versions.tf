# The tip platform on AWS. What is here, what it costs and how it is brought up: docs/aws.md.

terraform {
  # Passwords that are in no state file are of 1.11.
  required_version = "~> 1.11"

  required_providers {
    aws = {
      # Version 5.100 is the oldest that `make terraform-test` has applied.
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }

  # Bucket, key and region are given at `terraform init`, since they are yours. The lock is an
  # object beside the state.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  # Another account's credentials in the shell change nothing.
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Platform = var.name
    }
  }
}

# A provider of its own: `terraform test` replaces the other, and cannot replace ephemeral resources.
provider "aws" {
  alias = "passwords"

  region              = var.region
  allowed_account_ids = [var.account_id]
}
