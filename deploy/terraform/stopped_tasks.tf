# A task that keeps starting and failing has metrics, so no alarm sees it. ECS sends an event for each
# stopped task, with the reason. Months that end well, and tasks that a deployment or a person stops, are
# not reported.

locals {
  stopped_tasks = {
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [local.cluster]
      lastStatus = ["STOPPED"]
      "$or" = [
        { stopCode = ["TaskFailedToStart"] },
        { stopCode = ["EssentialContainerExited"], containers = { exitCode = [{ anything-but = 0 }] } },
        # Health checks, ECS's own or the load balancer's.
        { stoppedReason = [{ prefix = "Task failed" }] },
      ]
    }
  }

  # The circuit breaker gave up.
  failed_deployments = {
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change"]
    resources   = [{ prefix = "arn:aws:ecs:${var.region}:${var.account_id}:service/${var.name}/" }]
    detail      = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
  }
}

resource "aws_cloudwatch_event_rule" "ecs" {
  for_each = {
    stopped-task      = local.stopped_tasks
    failed-deployment = local.failed_deployments
  }

  name          = "${var.name}-${each.key}"
  event_pattern = jsonencode(each.value)
}

resource "aws_cloudwatch_event_target" "stopped_task" {
  rule = aws_cloudwatch_event_rule.ecs["stopped-task"].name
  arn  = aws_sns_topic.alarms.arn

  input_transformer {
    input_paths = {
      group  = "$.detail.group"
      reason = "$.detail.stoppedReason"
      code   = "$.detail.stopCode"
      exits  = "$.detail.containers[0].exitCode"
      why    = "$.detail.containers[0].reason"
      task   = "$.detail.taskArn"
    }
    input_template = "\"A task of ${var.name} ended: <group>. <code>: <reason> <why> Exit code: <exits>. Log: /${var.name}/... <task>\""
  }
}

resource "aws_cloudwatch_event_target" "failed_deployment" {
  rule = aws_cloudwatch_event_rule.ecs["failed-deployment"].name
  arn  = aws_sns_topic.alarms.arn

  input_transformer {
    input_paths    = { reason = "$.detail.reason", services = "$.resources" }
    input_template = "\"ECS went back to the former deployment: <reason> <services>\""
  }
}

# Mails of its own: AWS Budgets cannot publish to an encrypted topic without another statement of the key.
resource "aws_budgets_budget" "month" {
  name         = var.name
  budget_type  = "COST"
  limit_amount = var.budget
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type          = notification.key
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = local.alarm_recipients
    }
  }
}
