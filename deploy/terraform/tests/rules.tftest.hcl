# What must be true of any deployment, and no policy of checkov says. No account is needed:
#   terraform test -var-file=small.tfvars -var-file=yours.tfvars.example

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# Not used, since password_version is 0.
provider "aws" {
  alias                       = "passwords"
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

# Known before they exist, so that rules can compare them.
override_resource {
  target          = aws_subnet.private
  values          = { id = "subnet-private" }
  override_during = plan
}

override_resource {
  target          = aws_security_group.place["load-balancer"]
  values          = { id = "sg-load-balancer" }
  override_during = plan
}

override_resource {
  target          = aws_sns_topic.alarms
  values          = { arn = "arn:aws:sns:eu-central-1:111122223333:alarms" }
  override_during = plan
}

override_resource {
  target          = aws_lb_listener.https
  values          = { arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener/app/https" }
  override_during = plan
}

override_resource {
  target          = aws_lb_target_group.site
  values          = { arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/site" }
  override_during = plan
}

override_resource {
  target          = aws_instance.nat
  values          = { id = "i-nat" }
  override_during = plan
}

variables {
  password_version = 0
}

run "rules" {
  command = plan

  # Network.
  assert {
    condition = alltrue([
      for service in aws_ecs_service.service :
      !service.network_configuration[0].assign_public_ip &&
      toset(service.network_configuration[0].subnets) == toset(["subnet-private"])
    ])
    error_message = "Services have private addresses only."
  }

  assert {
    condition = alltrue([
      for command in [output.prepare_databases, output.run_tips] :
      strcontains(command, "assignPublicIp=DISABLED") && strcontains(command, "subnets=[subnet-private,subnet-private]")
    ])
    error_message = "Tasks that a person starts have private addresses only."
  }

  assert {
    condition     = toset(aws_db_subnet_group.platform.subnet_ids) == toset(["subnet-private"])
    error_message = "The database is in the private subnets."
  }

  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.https :
      rule.from_port == 443 && rule.to_port == 443 &&
      rule.security_group_id == "sg-load-balancer"
    ])
    error_message = "Visitors reach port 443 of the load balancer."
  }

  assert {
    condition = alltrue([
      for rule in concat(
        values(aws_vpc_security_group_ingress_rule.row), values(aws_vpc_security_group_egress_rule.row)
      ) :
      rule.cidr_ipv4 == null && rule.ip_protocol == "tcp" && rule.from_port == rule.to_port
    ])
    error_message = "Within the network each rule opens one port between two groups."
  }

  assert {
    condition = alltrue([
      for rule in values(aws_vpc_security_group_ingress_rule.nat) :
      rule.cidr_ipv4 == var.network && rule.from_port == 443 && rule.to_port == 443
    ])
    error_message = "Only the network itself reaches the NAT instance."
  }

  assert {
    condition = alltrue([
      for rule in concat(
        values(aws_vpc_security_group_egress_rule.internet), [aws_vpc_security_group_egress_rule.identity_provider]
      ) :
      rule.from_port == 443 && rule.to_port == 443
    ])
    error_message = "Only HTTPS leaves the network."
  }

  # Data.
  assert {
    condition = (
      aws_db_instance.platform.backup_retention_period == var.backup_days &&
      !aws_db_instance.platform.skip_final_snapshot &&
      !aws_db_instance.platform.delete_automated_backups
    )
    error_message = "Backups of the database are kept for backup_days, and outlive it."
  }

  assert {
    condition = alltrue(flatten([
      for rule in aws_s3_bucket_lifecycle_configuration.platform.rule : [
        for expiration in rule.expiration : expiration.expired_object_delete_marker == true
      ]
    ]))
    error_message = "No current object is deleted by its age."
  }

  assert {
    condition = toset(flatten([
      for rule in aws_s3_bucket_lifecycle_configuration.platform.rule :
      rule.noncurrent_version_expiration[*].noncurrent_days
    ])) == toset([var.backup_days])
    error_message = "Replaced and deleted objects are kept for backup_days."
  }

  assert {
    condition = [
      for parameter in aws_db_parameter_group.platform.parameter : parameter.value if parameter.name == "log_statement"
    ] == ["none"]
    error_message = "Statements about users, with their passwords, are not logged."
  }

  assert {
    condition     = [for p in aws_db_parameter_group.platform.parameter : p.value if p.name == "rds.force_ssl"] == ["1"]
    error_message = "The database refuses connections without TLS."
  }

  # People.
  assert {
    condition = alltrue([
      for own in ["client_id", "session_cookie_name"] :
      length(distinct([
        for rule in aws_lb_listener_rule.site : one([
          for action in rule.action : action.authenticate_oidc[0][own] if action.type == "authenticate-oidc"
        ])
      ])) == 3
    ])
    error_message = "Every page has a client and a session of its own: the app's users are not Dagster's."
  }

  assert {
    condition = alltrue([
      for rule in aws_lb_listener_rule.site :
      rule.action[0].type == "authenticate-oidc" && rule.action[0].order == 1 &&
      rule.action[0].authenticate_oidc[0].on_unauthenticated_request == "authenticate"
    ])
    error_message = "Every page asks for a log-in first."
  }

  assert {
    condition = alltrue([
      for role in concat(
        values(aws_iam_role.task), values(aws_iam_role.execution), values(aws_iam_role.people), [aws_iam_role.flow_log]
      ) :
      role.permissions_boundary == "arn:aws:iam::${var.account_id}:policy/workflow-${var.name}-boundary"
    ])
    error_message = "Every role has the boundary."
  }

  assert {
    condition = [
      for statement in data.aws_iam_policy_document.people["producers"].statement :
      [statement.actions, statement.resources]
    ] == [[toset(["s3:PutObject"]), toset(["arn:aws:s3:::${aws_s3_bucket.platform.bucket}/platform/landing/*"])]]
    error_message = "Producers drop files, and nothing else."
  }

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.people["operators"].statement : length(statement.condition) == 1
      if length(setintersection(statement.actions, ["ecs:RunTask", "iam:PassRole"])) > 0
    ])
    error_message = "Operators launch tasks in one cluster, and pass roles to tasks only."
  }

  assert {
    condition = toset(flatten([
      for statement in data.aws_iam_policy_document.people["operators"].statement : tolist(statement.resources)
      if contains(statement.actions, "ecs:RunTask") || contains(statement.actions, "iam:PassRole")
      ])) == toset([
      "arn:aws:ecs:${var.region}:${var.account_id}:task-definition/${var.name}-operator:*",
      "arn:aws:iam::${var.account_id}:role/${aws_iam_role.task["operator"].name}",
      "arn:aws:iam::${var.account_id}:role/${aws_iam_role.execution["operator"].name}",
    ])
    error_message = "Operators run tips; the databases' task is the administrator's."
  }

  assert {
    condition = tolist(
      data.aws_iam_policy_document.people_assume["producers"].statement[0].principals
    )[0].identifiers == var.producers
    error_message = "Only producers take the producers' role."
  }

  # Alarms.
  assert {
    condition = toset(flatten([
      for alarm in concat(
        values(aws_cloudwatch_metric_alarm.service_is_down), values(aws_cloudwatch_metric_alarm.service_memory),
        values(aws_cloudwatch_metric_alarm.site_is_down), values(aws_cloudwatch_metric_alarm.site_fails),
        values(aws_cloudwatch_metric_alarm.load_balancer), values(aws_cloudwatch_metric_alarm.database),
        values(aws_cloudwatch_metric_alarm.nat), values(aws_cloudwatch_metric_alarm.sensors_do_not_run),
        [aws_cloudwatch_metric_alarm.needs_a_person],
      ) :
      [tolist(alarm.alarm_actions), tolist(alarm.ok_actions)]
    ])) == toset(["arn:aws:sns:eu-central-1:111122223333:alarms"])
    error_message = "Alarms and their ends go to the alarm topic only."
  }

  assert {
    condition = alltrue([
      for alarm in concat(
        values(aws_cloudwatch_metric_alarm.service_is_down), values(aws_cloudwatch_metric_alarm.service_memory),
        values(aws_cloudwatch_metric_alarm.site_is_down), values(aws_cloudwatch_metric_alarm.site_fails),
        values(aws_cloudwatch_metric_alarm.load_balancer), values(aws_cloudwatch_metric_alarm.database),
        values(aws_cloudwatch_metric_alarm.nat), values(aws_cloudwatch_metric_alarm.sensors_do_not_run),
        [aws_cloudwatch_metric_alarm.needs_a_person],
      ) :
      length(regexall("aws [a-z0-9]+ [a-z]+|terraform output", alarm.alarm_description)) > 0 &&
      length(alarm.alarm_description) <= 1024
    ])
    error_message = "Each alarm names a command that shows why."
  }

  assert {
    condition = toset([
      aws_cloudwatch_event_target.stopped_task.arn, aws_cloudwatch_event_target.failed_deployment.arn
    ]) == toset(["arn:aws:sns:eu-central-1:111122223333:alarms"])
    error_message = "Failed tasks and deployments are reported to the alarm topic."
  }

  assert {
    condition     = endswith(local.environment.TIPS_SNS_TOPIC_ARN, ":${aws_sns_topic.messages.name}")
    error_message = "Months send their messages to the other topic."
  }

  # Services.
  assert {
    condition     = toset(keys(aws_ecs_service.service)) == toset(["app", "code-location", "daemon", "mlflow", "webserver"])
    error_message = "Another set of services: adapt this rule."
  }

  assert {
    condition = alltrue([
      for name, site in local.sites : endswith(local.services[name].check, ":${local.services[name].port}${site.health}")
    ])
    error_message = "ECS and the load balancer check the same page of a server."
  }

  assert {
    condition = alltrue([
      for name in ["databases", "operator"] :
      strcontains(local.one_off[name], "--task-definition ${var.name}-${name} ") &&
      strcontains(local.one_off[name], "--cluster ${var.name} ")
    ])
    error_message = "Printed commands name a task and the cluster."
  }

  assert {
    condition = toset(keys(jsondecode(
      regex("--overrides '(.*)'", output.run_tips)[0]
    ).containerOverrides[0])) == toset(["name", "command"])
    error_message = "The command for tips overrides the container's command only."
  }
}
