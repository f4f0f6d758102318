# What the choices of variables.tf change.

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

override_resource {
  target          = aws_route_table.private
  values          = { id = "private" }
  override_during = plan
}

override_resource {
  target          = aws_subnet.private
  values          = { id = "subnet-private" }
  override_during = plan
}

variables {
  password_version = 0
}

run "as_little_as_possible" {
  command = plan

  variables {
    running          = false
    producers        = []
    operators        = []
    alarm_recipients = []
  }

  assert {
    condition     = toset([for service in aws_ecs_service.service : service.desired_count]) == toset([0])
    error_message = "Nothing runs until there are databases."
  }

  assert {
    condition = (
      length(aws_cloudwatch_metric_alarm.service_is_down) == 0 &&
      length(aws_cloudwatch_metric_alarm.service_memory) == 0 &&
      length(aws_cloudwatch_metric_alarm.site_is_down) == 0
    )
    error_message = "No alarm for what is meant to be down."
  }

  assert {
    condition     = length(aws_iam_role.people) == 0
    error_message = "Without producers and operators there is no role for them."
  }

  assert {
    condition     = toset(keys(aws_sns_topic_subscription.alarm)) == var.message_recipients
    error_message = "Without addresses of their own, alarms go to those of the messages."
  }
}

run "nat_instance_and_another_name" {
  command = plan

  variables {
    endpoint_zones = 0
    name           = "tips"
  }

  assert {
    condition     = length(aws_vpc_endpoint.aws) == 0 && aws_instance.nat["nat"].source_dest_check == false
    error_message = "Tasks reach AWS through the NAT instance."
  }

  assert {
    condition     = aws_route.nat["nat"].route_table_id == "private"
    error_message = "The private subnets' way out is the NAT instance."
  }

  assert {
    condition = toset(keys(aws_vpc_security_group_egress_rule.internet)) == setunion(
      keys(aws_ecs_task_definition.service), keys(aws_ecs_task_definition.task), ["nat"]
    )
    error_message = "Every task, and nothing else, uses the NAT instance."
  }

  assert {
    condition = toset(flatten([
      for statement in data.aws_iam_policy_document.task["daemon"].statement : tolist(statement.resources)
      if contains(statement.actions, "iam:PassRole")
      ])) == toset([
      for role in [aws_iam_role.task["run"], aws_iam_role.execution["run"]] :
      "arn:aws:iam::${var.account_id}:role/${role.name}"
    ])
    error_message = "The daemon launches tasks with the roles of a month only."
  }

  assert {
    condition = flatten([
      for statement in data.aws_iam_policy_document.task["daemon"].statement : tolist(statement.resources)
      if contains(statement.actions, "ecs:RunTask")
    ]) == ["arn:aws:ecs:${var.region}:${var.account_id}:task-definition/${aws_ecs_task_definition.task["run"].family}:*"]
    error_message = "The daemon launches months only."
  }

  assert {
    condition = toset([
      for statement in data.aws_iam_policy_document.task["daemon"].statement :
      [tolist(statement.actions)[0], [for condition in statement.condition : tolist(condition.values)[0]]]
      if length(statement.condition) > 0
      ]) == toset([
      ["ecs:RunTask", [local.cluster]],
      ["ecs:TagResource", ["RunTask"]],
      ["iam:PassRole", ["ecs-tasks.amazonaws.com"]],
    ])
    error_message = "Each only to launch a month."
  }
}

run "endpoints" {
  command = plan

  variables {
    endpoint_zones = 2
  }

  assert {
    condition = (
      length(aws_instance.nat) == 0 && length(aws_route.nat) == 0 &&
      length(aws_vpc_security_group_egress_rule.internet) == 0
    )
    error_message = "With endpoints, nothing leaves the network."
  }

  assert {
    condition = length(aws_vpc_endpoint.aws) > 0 && alltrue([
      for endpoint in aws_vpc_endpoint.aws :
      endpoint.private_dns_enabled && toset(endpoint.subnet_ids) == toset(["subnet-private"])
    ])
    error_message = "AWS's services have an address in both zones."
  }
}
