# What may differ between deployments; the tasks' variables are in variables_tasks.tf. Values that only
# you know have no default.

variable "name" {
  description = "Name of the deployment, and the beginning of every name within it."
  type        = string
  default     = "tip-platform"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "The name is 3 to 20 small letters, digits and hyphens, a letter first."
  }
}

variable "account_id" {
  description = "AWS account to deploy to; Terraform refuses to touch another."
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

variable "network" {
  description = "Private addresses of the platform's network, a /16 to /20."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition = (
      can(cidrhost(var.network, 0)) &&
      can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.).*/(1[6-9]|20)$", var.network))
    )
    error_message = "The network is private (RFC 1918), from /16 to /20."
  }
}

variable "zones" {
  description = "Letters of the two availability zones of the region, which cannot be changed later."
  type        = list(string)
  default     = ["a", "b"]

  validation {
    condition     = length(distinct(var.zones)) == 2 && alltrue([for letter in var.zones : can(regex("^[a-f]$", letter))])
    error_message = "Two letters of zones, such as a and b."
  }
}

variable "endpoint_zones" {
  description = "In how many availability zones AWS's own services have an address; each is paid for. 0: a NAT instance instead, which is cheaper, and lets tasks reach any server by HTTPS."
  type        = number

  validation {
    condition     = contains([0, 1, 2], var.endpoint_zones)
    error_message = "The network has two zones: 1 or 2, or 0 for a NAT instance."
  }
}

variable "database_version" {
  description = "Major version of Postgres; 15 is the tested one."
  type        = string
  default     = "15"

  validation {
    condition     = can(regex("^1[5-9]$", var.database_version))
    error_message = "A major version from 15."
  }
}

variable "database_class" {
  description = "Machine of the database."
  type        = string

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.database_class))
    error_message = "A machine is a name such as db.t4g.micro."
  }
}

variable "database_gigabytes" {
  description = "Disk of the database; it grows by itself to the fivefold."
  type        = number

  validation {
    condition     = var.database_gigabytes >= 20 && var.database_gigabytes <= 1000
    error_message = "The disk has 20 to 1000 GB."
  }
}

variable "database_standby" {
  description = "Whether a second machine in the other zone takes over when the first fails."
  type        = bool
}

variable "backup_days" {
  description = "Days for which the database can be put back to any second, and deleted objects kept."
  type        = number

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "Backups are kept for 7 to 35 days."
  }
}

variable "database_changes_now" {
  description = "Whether to change the database's machine or major version during this apply, with an outage of minutes. Otherwise a machine waits for the maintenance window and another major version is refused."
  type        = bool
  default     = false
}

variable "password_version" {
  description = "Increase it to give every tool a new database password (docs/aws.md). 0 makes none, for terraform test."
  type        = number
  default     = 1

  validation {
    condition     = var.password_version >= 0 && floor(var.password_version) == var.password_version
    error_message = "The version is a whole number."
  }
}

variable "log_days" {
  description = "Days for which logs are kept."
  type        = number

  validation {
    condition     = contains([365, 400, 545, 731, 1096], var.log_days)
    error_message = "CloudWatch keeps logs for 365, 400, 545, 731 or 1096 days."
  }
}

variable "domain" {
  description = "Name of the app on the web; Dagster and MLflow are at dagster. and mlflow. before it."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "A domain is a name such as tips.example.org, in small letters."
  }
}

variable "hosted_zone" {
  description = "Id of the Route 53 zone that the domain lies in."
  type        = string

  validation {
    condition     = can(regex("^Z[A-Z0-9]+$", var.hosted_zone))
    error_message = "The id of a zone begins with Z."
  }
}

variable "visitors" {
  description = "Addresses from which the pages may be asked for; everybody has to log in."
  type        = set(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = alltrue([for addresses in var.visitors : can(cidrhost(addresses, 0)) && !strcontains(addresses, ":")])
    error_message = "Addresses are written as 203.0.113.0/24; the load balancer has no IPv6 address."
  }
}

variable "identity_provider" {
  description = "OpenID Connect provider that authenticates people, and decides who may use which of three clients."
  type = object({
    issuer                 = string
    authorization_endpoint = string
    token_endpoint         = string
    user_info_endpoint     = string
    # Ids of the clients app, dagster and mlflow: the provider decides who may use which. Users of
    # Dagster can run any command with the rights of a month.
    clients = map(string)
    # The secret of the client app is the secret client_secrets/app in Secrets Manager, and so on.
    client_secrets = string
  })

  validation {
    condition = (
      toset(keys(var.identity_provider.clients)) == toset(["app", "dagster", "mlflow"]) &&
      length(distinct(values(var.identity_provider.clients))) == 3
    )
    error_message = "A client of its own for each of app, dagster, mlflow."
  }

  validation {
    condition = alltrue([
      for address in [
        var.identity_provider.issuer,
        var.identity_provider.authorization_endpoint,
        var.identity_provider.token_endpoint,
        var.identity_provider.user_info_endpoint,
      ] : startswith(address, "https://")
    ])
    error_message = "Every address of the identity provider begins with https://."
  }
}

variable "budget" {
  description = "USD a month of the whole account; mails are sent at 80 % spent and 100 % forecast."
  type        = number

  validation {
    condition     = var.budget >= 1
    error_message = "At least a dollar."
  }
}

variable "alarm_recipients" {
  description = "E-mail addresses that get alarms (stopped tasks, pages down, database, budget); empty: message_recipients."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_recipients : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "Each is an e-mail address."
  }
}

variable "producers" {
  description = "ARNs of users or roles, of any account, that may take the role that lands files; none: no such role."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.producers : can(regex("^arn:aws:iam::[0-9]{12}:(user|role)/[^*]+$", arn))])
    error_message = "ARNs of IAM users or roles, without asterisks."
  }
}

variable "operators" {
  description = "ARNs of users or roles that may take the role that runs tips and reads logs; none: no such role."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.operators : can(regex("^arn:aws:iam::[0-9]{12}:(user|role)/[^*]+$", arn))])
    error_message = "ARNs of IAM users or roles, without asterisks."
  }
}

variable "message_recipients" {
  description = "E-mail addresses that get the platform's messages; each is asked to confirm."
  type        = set(string)

  validation {
    condition     = length(var.message_recipients) > 0 && alltrue([for address in var.message_recipients : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "At least one e-mail address."
  }
}
