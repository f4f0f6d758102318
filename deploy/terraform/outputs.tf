# What a person needs next.

output "pages" {
  description = "Where people go."
  value       = { for name, site in local.sites : name => "https://${site.host}" }
}

output "repositories" {
  description = "Where images are pushed, by the target of deploy/Dockerfile."
  value       = { for name, repository in aws_ecr_repository.image : name => "${local.registry}/${repository.name}" }
}

output "landing" {
  description = "Where producers drop files, in a folder for each month."
  value       = "${local.environment.TIPS_STORAGE}/landing/"
}

output "people" {
  description = "Roles that producers and operators take."
  value       = { for name, role in aws_iam_role.people : name => role.arn }
}

output "prepare_databases" {
  description = "Makes databases and users, and brings schemas up to date: before the services first run, and before an upgrade."
  value       = "aws ecs run-task ${local.one_off["databases"]}"
}

output "run_tips" {
  description = "Any command of tips; change the words in `command`."
  value = join(" ", [
    "aws ecs run-task ${local.one_off["operator"]}",
    "--overrides '{\"containerOverrides\": [{\"name\": \"operator\", \"command\": [\"tips\", \"history\"]}]}'",
  ])
}

output "logs" {
  description = "Shows what one of them writes, such as the command before."
  value       = { for name, group in aws_cloudwatch_log_group.place : name => "aws logs tail ${group.name} --region ${var.region} --follow" }
}

output "parameter_prefix" {
  description = "TIPS_PARAMETER_PREFIX of whatever wants to find this platform."
  value       = local.parameter_prefix
}

output "topics" {
  description = "Topics of alarms and messages; every address must confirm its subscription."
  value       = { alarms = aws_sns_topic.alarms.arn, messages = aws_sns_topic.messages.arn }
}

locals {
  one_off = {
    for name in ["databases", "operator"] : name => join(" ", [
      "--region ${var.region} --cluster ${aws_ecs_cluster.platform.name} --launch-type FARGATE",
      "--task-definition ${aws_ecs_task_definition.task[name].family}",
      "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", aws_subnet.private[*].id)}],securityGroups=[${aws_security_group.place[name].id}],assignPublicIp=DISABLED}'",
    ])
  }
}
