# Whom the platform tells, and what others learn of it.

locals {
  parameter_prefix = "/${var.name}"

  # Known before the topic is made: services.tf says why.
  topic_name = "${var.name}-messages"
  topic_arn  = "arn:aws:sns:${var.region}:${var.account_id}:${local.topic_name}"

  # Anybody not named here gets the monthly mails.
  woken = length(var.woken) > 0 ? var.woken : var.told

  # Written by the platform itself, when they change.
  told_by_platform = ["artifact_paths", "logged_model"]
}

resource "aws_sns_topic" "messages" {
  name              = local.topic_name
  display_name      = var.name
  kms_master_key_id = aws_kms_key.platform.key_id
}

resource "aws_sns_topic_subscription" "told" {
  for_each = var.told

  topic_arn = aws_sns_topic.messages.arn
  protocol  = "email"
  endpoint  = each.key
}

# Apart from the monthly messages, so that nothing else wakes the person on call.
resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  display_name      = "${var.name} alarms"
  kms_master_key_id = aws_kms_key.platform.key_id
}

resource "aws_sns_topic_subscription" "woken" {
  for_each = local.woken

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

  # EventBridge tells a topic no account of its rule: AWS documents this statement without a condition.
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

# What a platform elsewhere, or a person's shell, needs to find this one: TIPS_PARAMETER_PREFIX alone.
resource "aws_ssm_parameter" "setting" {
  #checkov:skip=CKV2_AWS_34:Addresses, not secrets: whoever may read a parameter at all may read these
  #checkov:skip=CKV_AWS_337:Addresses, not secrets: whoever may read a parameter at all may read these
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
