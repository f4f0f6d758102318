# What each service and task may do. An `execution` role is ECS's own, before a task starts; a `task`
# role is the platform's code's. Its rights are the calls that the code makes, recorded while the
# tests run, no more and no fewer (tip_assets_tests/deploy/test_terraform_rights.py).

locals {
  bucket_arn = "arn:aws:s3:::${local.bucket}"
  objects    = "${local.bucket_arn}/${local.prefix}"
  parameters = "arn:aws:ssm:${var.region}:${var.account_id}:parameter${local.parameter_prefix}"

  # What no role of the platform may exceed (bootstrap/boundary.tf).
  boundary = "arn:aws:iam::${var.account_id}:policy/workflow-${var.name}-boundary"

  cluster = "arn:aws:ecs:${var.region}:${var.account_id}:cluster/${var.name}"

  # Tasks are named when they start.
  tasks_of_cluster = "arn:aws:ecs:${var.region}:${var.account_id}:task/${var.name}/*"
  roles_of_month   = [for name in ["run", "run-start"] : "arn:aws:iam::${var.account_id}:role/${var.name}-${name}"]
  log_of_month     = "arn:aws:logs:${var.region}:${var.account_id}:log-group:/${var.name}/run:log-stream:*"
  month            = "arn:aws:ecs:${var.region}:${var.account_id}:task-definition/${var.name}-run:*"

  # Who => what => to what. A role that is not here has no rights at all.
  rights = {
    # Ends the task of a run that a person ends in the browser.
    webserver = {
      "ecs:DescribeTaskDefinition" = ["*"]
      "ecs:DescribeTasks"          = [local.tasks_of_cluster]
      "ecs:StopTask"               = [local.tasks_of_cluster]
    }

    # Launches months, looks whether they live, reads the last words of those that do not.
    daemon = {
      "ecs:DescribeTaskDefinition" = ["*"]
      "ecs:DescribeTasks"          = [local.tasks_of_cluster]
      "ecs:RunTask"                = [local.month]
      "ecs:StopTask"               = [local.tasks_of_cluster]
      "ecs:TagResource"            = [local.tasks_of_cluster]
      "iam:PassRole"               = local.roles_of_month
      "logs:GetLogEvents"          = [local.log_of_month]
    }

    # Sensors: landed files, results of runs, messages.
    code-location = {
      "s3:ListBucket"     = [local.bucket_arn]
      "s3:GetObject"      = ["${local.objects}/assets/*"]
      "sns:Publish"       = [aws_sns_topic.messages.arn]
      "ssm:GetParameters" = ["${local.parameters}/*"]
      "ssm:PutParameter"  = [for name in local.published_by_platform : "${local.parameters}/${name}"]
    }

    # A month.
    run = {
      "s3:ListBucket" = [local.bucket_arn]
      "s3:GetObject"  = [for kind in local.read_by_months : "${local.objects}/${kind}/*"]
      "s3:PutObject"  = [for kind in local.made_by_months : "${local.objects}/${kind}/*"]
    }

    # A person at the command line: a month, a release, a rollback.
    operator = {
      "s3:ListBucket"     = [local.bucket_arn]
      "s3:GetObject"      = [for kind in local.read_by_months : "${local.objects}/${kind}/*"]
      "s3:PutObject"      = [for kind in local.made_by_months : "${local.objects}/${kind}/*"]
      "sns:Publish"       = [aws_sns_topic.messages.arn]
      "ssm:GetParameters" = ["${local.parameters}/*"]
      "ssm:PutParameter"  = [for name in local.published_by_platform : "${local.parameters}/${name}"]
    }

    # Shows artifacts; clients write them to the bucket themselves.
    mlflow = {
      "s3:ListBucket" = [local.bucket_arn]
      "s3:GetObject"  = ["${local.objects}/mlflow/*"]
    }

    # Loads the champion, shows reports, lands the tips that people enter.
    app = {
      "s3:ListBucket" = [local.bucket_arn]
      "s3:GetObject"  = [for kind in ["landing", "mlflow", "reports"] : "${local.objects}/${kind}/*"]
      "s3:PutObject"  = ["${local.objects}/landing/*"]
    }
  }

  # The daemon has these rights to launch a month, and for nothing else.
  only_if = {
    "ecs:RunTask"     = { test = "ArnEquals", variable = "ecs:cluster", value = local.cluster }
    "ecs:TagResource" = { test = "StringEquals", variable = "ecs:CreateAction", value = "RunTask" }
    "iam:PassRole"    = { test = "StringEquals", variable = "iam:PassedToService", value = "ecs-tasks.amazonaws.com" }
  }

  # Only producers and the app write landing files, and nothing is ever deleted.
  made_by_months = ["assets", "mlflow", "quarantine", "reports"]
  read_by_months = concat(["landing"], local.made_by_months)

  roles = setunion(keys(local.services), keys(local.tasks))
}

data "aws_iam_policy_document" "ecs_tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_iam_role" "task" {
  for_each = local.roles

  name                 = "${var.name}-${each.key}"
  description          = "The code of ${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.ecs_tasks.json
  permissions_boundary = local.boundary
}

data "aws_iam_policy_document" "task" {
  #checkov:skip=CKV_AWS_356:ecs:DescribeTaskDefinition cannot be granted for one task definition; it shows no secret
  for_each = local.rights

  dynamic "statement" {
    for_each = each.value

    content {
      actions   = [statement.key]
      resources = statement.value

      dynamic "condition" {
        for_each = [for action, condition in local.only_if : condition if action == statement.key]

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = [condition.value.value]
        }
      }
    }
  }
}

resource "aws_iam_role_policy" "task" {
  for_each = local.rights

  name   = "calls-of-the-code"
  role   = aws_iam_role.task[each.key].id
  policy = data.aws_iam_policy_document.task[each.key].json
}

resource "aws_iam_role" "execution" {
  for_each = local.roles

  name                 = "${var.name}-${each.key}-start"
  description          = "ECS, when it starts ${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.ecs_tasks.json
  permissions_boundary = local.boundary
}

# The image, the log, and the secrets of this one.
data "aws_iam_policy_document" "execution" {
  #checkov:skip=CKV_AWS_356:ecr:GetAuthorizationToken knows no resource
  for_each = merge(local.services, local.tasks)

  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.image[each.value.image].arn]
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.place[each.key].arn}:log-stream:*"]
  }

  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [for name in each.value.secrets : local.secrets[name]]
  }

  # The administrator's password, for the task that makes databases and no other.
  dynamic "statement" {
    for_each = each.key == "databases" ? [local.admin_secret_arn] : []

    content {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.roles

  name   = "start"
  role   = aws_iam_role.execution[each.key].id
  policy = data.aws_iam_policy_document.execution[each.key].json
}

data "aws_iam_policy_document" "flow_logs_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["vpc-flow-logs.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_iam_role" "flow_log" {
  name                 = "${var.name}-flow-log"
  description          = "The network, to log rejected traffic"
  assume_role_policy   = data.aws_iam_policy_document.flow_logs_assume.json
  permissions_boundary = local.boundary
}

data "aws_iam_policy_document" "flow_log" {
  # It looks for its group among all of them.
  statement {
    actions   = ["logs:DescribeLogGroups"]
    resources = ["arn:aws:logs:${var.region}:${var.account_id}:log-group:*"]
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = [aws_cloudwatch_log_group.rejected_traffic.arn, "${aws_cloudwatch_log_group.rejected_traffic.arn}:log-stream:*"]
  }
}

resource "aws_iam_role_policy" "flow_log" {
  name   = "write"
  role   = aws_iam_role.flow_log.id
  policy = data.aws_iam_policy_document.flow_log.json
}
