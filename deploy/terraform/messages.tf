# Topics for messages and alarms, and parameters by which other programs find the platform.

locals {
  parameter_prefix = "/${var.name}"

  # Known before the topic is made: services.tf says why.
  topic_name = "${var.name}-messages"
  topic_arn  = "arn:aws:sns:${var.region}:${var.account_id}:${local.topic_name}"

  alarm_recipients = length(var.alarm_recipients) > 0 ? var.alarm_recipients : var.message_recipients

  # Written by the platform itself, when they change.
  published_by_platform = ["artifact_paths", "logged_model"]
}

resource "aws_sns_topic" "messages" {
  name              = local.topic_name
  display_name      = var.name
  kms_master_key_id = aws_kms_key.platform.key_id
}

resource "aws_sns_topic_subscription" "message" {
  for_each = var.message_recipients

  topic_arn = aws_sns_topic.messages.arn
  protocol  = "email"
  endpoint  = each.key
}

# Separate from the monthly messages, which are not for the person on call.
resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  display_name      = "${var.name} alarms"
  kms_master_key_id = aws_kms_key.platform.key_id
}

resource "aws_sns_topic_subscription" "alarm" {
  for_each = local.alarm_recipients

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_sns_topic_policy" "messages" {
  arn    = aws_sns_topic.messages.arn
  policy = data.aws_iam_policy_document.only_tls_topic["messages"].json
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

data "aws_iam_policy_document" "alarms" {
  source_policy_documents = [data.aws_iam_policy_document.only_tls_topic["alarms"].json]

  statement {
    sid       = "Alarms"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }

  # EventBridge sends no account of its rule: AWS documents this statement without a condition.
  statement {
    sid       = "Events"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "only_tls_topic" {
  for_each = {
    alarms   = aws_sns_topic.alarms.arn
    messages = aws_sns_topic.messages.arn
  }

  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# Another platform or a person's shell finds this one by TIPS_PARAMETER_PREFIX alone.
resource "aws_ssm_parameter" "setting" {
  #checkov:skip=CKV2_AWS_34:Addresses, not secrets: all who can read parameters may read these
  #checkov:skip=CKV_AWS_337:Addresses, not secrets: all who can read parameters may read these
  for_each = {
    initial_paths        = jsonencode({ storage = local.environment.TIPS_STORAGE })
    tracking_server_host = local.environment.MLFLOW_TRACKING_URI
    sns_topic_arn        = aws_sns_topic.messages.arn
  }

  name        = "${local.parameter_prefix}/${each.key}"
  description = "Setting of ${var.name} (docs/settings.md)"
  type        = "String"
  value       = each.value
}
