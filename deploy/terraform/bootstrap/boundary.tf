# What roles of the platform may ever do, whatever their own policies say. The apply role can make roles
# with this boundary only: an apply cannot grant more, not even to itself.

data "aws_iam_policy_document" "boundary" {
  #checkov:skip=CKV_AWS_356:ecs:DescribeTaskDefinition and ecr:GetAuthorizationToken know no resource

  statement {
    actions   = ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]
    resources = [local.platform_bucket, "${local.platform_bucket}/platform/*"]
  }

  statement {
    actions   = ["ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "logs:DescribeLogGroups"]
    resources = ["*"]
  }

  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [local.repositories]
  }

  statement {
    actions = ["ecs:DescribeTasks", "ecs:RunTask", "ecs:StopTask", "ecs:TagResource"]
    resources = [
      for kind in ["task", "task-definition"] :
      "arn:aws:ecs:${var.region}:${var.account_id}:${kind}/${var.name}${kind == "task" ? "/" : "-"}*"
    ]
  }

  # Only roles that have this boundary, too.
  statement {
    actions   = ["iam:PassRole"]
    resources = [local.roles]
  }

  statement {
    actions = [
      "logs:CreateLogStream",
      "logs:DescribeLogStreams",
      "logs:FilterLogEvents",
      "logs:GetLogEvents",
      "logs:PutLogEvents",
    ]
    resources = ["arn:aws:logs:${var.region}:${var.account_id}:log-group:/${var.name}/*"]
  }

  statement {
    actions   = ["sns:Publish"]
    resources = ["arn:aws:sns:${var.region}:${var.account_id}:${var.name}*"]
  }

  statement {
    actions   = ["ssm:GetParameters", "ssm:PutParameter"]
    resources = ["arn:aws:ssm:${var.region}:${var.account_id}:parameter/${var.name}/*"]
  }

  # The second is the database administrator's, which RDS names.
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["${local.secrets}:${var.name}/database/*", "${local.secrets}:rds!db-*"]
  }

  # What the platform's key permits to the whole account through services (encryption.tf).
  statement {
    actions = [
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
    ]
    resources = ["arn:aws:kms:${var.region}:${var.account_id}:key/*"]
  }
}

resource "aws_iam_policy" "boundary" {
  # Not below ${var.name}-*, like the workflows' roles.
  name        = "workflow-${var.name}-boundary"
  description = "What roles of ${var.name} may ever do"
  policy      = data.aws_iam_policy_document.boundary.json
}
