# Logs and alarms, each with what to do about it. The platform itself reports what goes wrong in a month, through another topic; these
# alarms are for when it cannot (docs/aws.md).

locals {
  # A service that writes nothing to CloudWatch's own CPU metric has no task.
  must_live = { for name, service in local.services : name => service if var.running }

  states = { name = "states", namespace = var.name }

  # What to do about an alarm comes with it, by mail.
  log    = { for place in local.roles : place => "aws logs tail /${var.name}/${place} --since 1h" }
  events = "aws ecs describe-services --cluster ${var.name} --query 'services[0].events[:9].message' --services"
  tips   = "the command of terraform output run_tips, with status for history"
}

resource "aws_cloudwatch_log_group" "place" {
  for_each = local.roles

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.platform.arn
}

resource "aws_cloudwatch_log_group" "database" {
  for_each = toset(["postgresql", "upgrade"])

  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.platform.arn
}

resource "aws_cloudwatch_log_group" "rejected_traffic" {
  name              = "/${var.name}/rejected-traffic"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.platform.arn
}

resource "aws_cloudwatch_metric_alarm" "service_is_down" {
  for_each = local.must_live

  alarm_name        = "${var.name}-${each.key}-is-down"
  alarm_description = "No task of ${each.key} has run for ten minutes. Why ECS starts none: ${local.events} ${each.key}. Why it ends: ${local.log[each.key]}. After a deployment, apply the previous image_tag."
  namespace         = "AWS/ECS"
  metric_name       = "CPUUtilization"
  statistic         = "SampleCount"
  dimensions = {
    ClusterName = aws_ecs_cluster.platform.name
    ServiceName = aws_ecs_service.service[each.key].name
  }
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 300
  evaluation_periods  = 2
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# An hour of too little memory ends in a killed task.
resource "aws_cloudwatch_metric_alarm" "service_memory" {
  for_each = local.must_live

  alarm_name        = "${var.name}-${each.key}-memory"
  alarm_description = "${each.key} has used 90 % of its memory for a quarter of an hour. What it does: ${local.log[each.key]}. Give it more in sizes (.tfvars), and apply."
  namespace         = "AWS/ECS"
  metric_name       = "MemoryUtilization"
  statistic         = "Average"
  dimensions = {
    ClusterName = aws_ecs_cluster.platform.name
    ServiceName = aws_ecs_service.service[each.key].name
  }
  comparison_operator = "GreaterThanThreshold"
  threshold           = 90
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# The platform logs every hour how many states need a person (tip_assets/reporting/status.py).
resource "aws_cloudwatch_log_metric_filter" "states" {
  name           = "${var.name}-states"
  log_group_name = aws_cloudwatch_log_group.place["code-location"].name
  pattern        = "{ $.tips_states = * }"

  metric_transformation {
    name      = local.states.name
    namespace = local.states.namespace
    value     = "$.tips_states"
  }
}

resource "aws_cloudwatch_metric_alarm" "needs_a_person" {
  alarm_name          = "${var.name}-needs-a-person"
  alarm_description   = "A promotion is held, or a month is late or failed, or no file has landed. Which, and what to do: ${local.tips}."
  namespace           = local.states.namespace
  metric_name         = local.states.name
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 3600
  evaluation_periods  = 2
  treat_missing_data  = "ignore"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# The daemon can have a task and do nothing.
resource "aws_cloudwatch_metric_alarm" "sensors_do_not_run" {
  for_each = var.running ? toset(["states"]) : toset([])

  alarm_name          = "${var.name}-sensors-do-not-run"
  alarm_description   = "No sensor has run for three hours: no landing is seen. Why: ${local.log["daemon"]}; ${local.log["code-location"]}. Start the daemon anew: aws ecs update-service --cluster ${var.name} --service daemon --force-new-deployment. Sensors that a person switched off are switched on in Dagster, under Automation."
  namespace           = local.states.namespace
  metric_name         = local.states.name
  statistic           = "SampleCount"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 3600
  evaluation_periods  = 3
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "site_is_down" {
  for_each = { for name, site in local.sites : name => site if var.running }

  alarm_name        = "${var.name}-${each.key}-does-not-answer"
  alarm_description = "https://${each.value.host} has had no healthy server for five minutes. What its health check gets: aws elbv2 describe-target-health --target-group-arn ${aws_lb_target_group.site[each.key].arn}. Then: ${local.events} ${each.key}; ${local.log[each.key]}."
  namespace         = "AWS/ApplicationELB"
  metric_name       = "HealthyHostCount"
  statistic         = "Maximum"
  dimensions = {
    LoadBalancer = aws_lb.platform.arn_suffix
    TargetGroup  = aws_lb_target_group.site[each.key].arn_suffix
  }
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "site_fails" {
  for_each = local.sites

  alarm_name        = "${var.name}-${each.key}-fails"
  alarm_description = "https://${each.value.host} has answered ten requests of five minutes with an error of its own. Which: ${local.log[each.key]}. If the database is away, see its alarms."
  namespace         = "AWS/ApplicationELB"
  metric_name       = "HTTPCode_Target_5XX_Count"
  statistic         = "Sum"
  dimensions = {
    LoadBalancer = aws_lb.platform.arn_suffix
    TargetGroup  = aws_lb_target_group.site[each.key].arn_suffix
  }
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 10
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# Errors of the load balancer itself: a server that closed the connection or does not answer, a log-in
# that the identity provider refused.
resource "aws_cloudwatch_metric_alarm" "load_balancer" {
  for_each = {
    fails         = { metric = "HTTPCode_ELB_5XX_Count", words = "It has answered ten requests of five minutes with an error.", look = "A server closes connections or does not answer: ${local.log["app"]}; ${local.log["webserver"]}; ${local.log["mlflow"]}." }
    log-in-fails  = { metric = "ELBAuthError", words = "It could not log ten people in.", look = "Compare client, secret and addresses with the provider's: aws elbv2 describe-rules --listener-arn ${aws_lb_listener.https.arn}." }
    log-in-denied = { metric = "ELBAuthFailure", words = "The identity provider has denied ten people in five minutes.", look = "Its own log says whom; if they should enter, add them to the client's group. Nothing in aws ecs is wrong." }
  }

  alarm_name          = "${var.name}-load-balancer-${each.key}"
  alarm_description   = "The load balancer: ${each.value.words} ${each.value.look}"
  namespace           = "AWS/ApplicationELB"
  metric_name         = each.value.metric
  statistic           = "Sum"
  dimensions          = { LoadBalancer = aws_lb.platform.arn_suffix }
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 10
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "database" {
  for_each = {
    disk        = { metric = "FreeStorageSpace", below = true, threshold = var.database_gigabytes * 200000000, words = "Less than a fifth of the first disk is free.", look = "Raise database_gigabytes, and apply." }
    processor   = { metric = "CPUUtilization", below = false, threshold = 80, words = "Busy for a quarter of an hour.", look = "If it lasts, raise database_class." }
    memory      = { metric = "FreeableMemory", below = true, threshold = 64000000, words = "Less than 64 MB of memory are free.", look = "If it lasts, raise database_class." }
    connections = { metric = "DatabaseConnections", below = false, threshold = 80, words = "The smallest machine takes about 110 connections.", look = "A service that restarts again and again leaves some: see the alarms of services." }
  }

  alarm_name          = "${var.name}-database-${each.key}"
  alarm_description   = "The database: ${each.value.words} ${each.value.look} Its log: aws logs tail ${aws_cloudwatch_log_group.database["postgresql"].name} --since 1h. Events: aws rds describe-events --source-type db-instance --source-identifier ${var.name} --duration 180."
  namespace           = "AWS/RDS"
  metric_name         = each.value.metric
  statistic           = "Average"
  dimensions          = { DBInstanceIdentifier = aws_db_instance.platform.identifier }
  comparison_operator = each.value.below ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
