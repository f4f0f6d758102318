# Roles of people and of other systems. They take one with credentials of their own, also from another
# account; what producers land then belongs to this account, and no bucket policy or key names them.

locals {
  may_assume = { for name, principals in { producers = var.producers, operators = var.operators } : name => principals if length(principals) > 0 }

  rights_of_people = {
    # Drop files; replace them, which makes the month run again; not read or delete any.
    producers = {
      "s3:PutObject" = ["${local.objects}/landing/*"]
    }

    # Run `tips` and read logs (outputs.tf has the commands); the databases' task is the administrator's.
    operators = {
      "ecs:DescribeTasks"    = [local.tasks_of_cluster]
      "ecs:RunTask"          = ["arn:aws:ecs:${var.region}:${var.account_id}:task-definition/${var.name}-operator:*"]
      "ecs:StopTask"         = [local.tasks_of_cluster]
      "iam:PassRole"         = [for name in ["operator", "operator-start"] : "arn:aws:iam::${var.account_id}:role/${var.name}-${name}"]
      "logs:FilterLogEvents" = ["arn:aws:logs:${var.region}:${var.account_id}:log-group:/${var.name}/*"]
    }
  }
}

data "aws_iam_policy_document" "people_assume" {
  for_each = local.may_assume

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = each.value
    }
  }
}

resource "aws_iam_role" "people" {
  for_each = local.may_assume

  name                 = "${var.name}-people-${each.key}"
  description          = "Taken by ${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.people_assume[each.key].json
  permissions_boundary = local.boundary
}

data "aws_iam_policy_document" "people" {
  for_each = local.may_assume

  dynamic "statement" {
    for_each = local.rights_of_people[each.key]

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

resource "aws_iam_role_policy" "people" {
  for_each = local.may_assume

  name   = each.key
  role   = aws_iam_role.people[each.key].id
  policy = data.aws_iam_policy_document.people[each.key].json
}
