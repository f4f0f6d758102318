# How GitHub's workflows get in (docs/continuous-integration.md): no key is kept anywhere, a token of
# the run says which it is. What a pull request can become, `plan`, reads Terraform's state and no more.

locals {
  # Role => the only runs that get it.
  subjects = {
    images = "repo:${var.repository}:ref:refs/heads/main"
    review = "repo:${var.repository}:ref:refs/heads/main"
    plan   = "repo:${var.repository}:environment:plan"
    apply  = "repo:${var.repository}:environment:production"
  }

  repositories = "arn:aws:ecr:${var.region}:${var.account_id}:repository/${var.name}/*"
  roles        = "arn:aws:iam::${var.account_id}:role/${var.name}-*"
  # As storage.tf names it.
  platform_bucket = "arn:aws:s3:::${var.name}-${var.account_id}-${var.region}"
  state_file      = "${aws_s3_bucket.state.arn}/${var.name}.tfstate"
  secrets         = "arn:aws:secretsmanager:${var.region}:${var.account_id}:secret"
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "workflow_assume" {
  for_each = local.subjects

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = [each.value]
    }
  }
}

resource "aws_iam_role" "workflow" {
  for_each = local.subjects

  # Not below ${var.name}-*: what is applied must not change who may apply.
  name                 = "workflow-${var.name}-${each.key}"
  description          = "GitHub's workflow that handles ${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.workflow_assume[each.key].json
  max_session_duration = 3600
}

data "aws_iam_policy_document" "images" {
  #checkov:skip=CKV_AWS_356:ecr:GetAuthorizationToken knows no resource

  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:DescribeImages",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [local.repositories]
  }
}

# A plan of a pull request: what the configuration would change in the state, without a look at what
# runs. Anyone who can push a branch can read what this role can.
data "aws_iam_policy_document" "plan" {
  #checkov:skip=CKV_AWS_356:These two cannot be granted for one resource

  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.state.arn]
  }

  statement {
    actions   = ["s3:GetObject"]
    resources = [local.state_file]
  }

  statement {
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    resources = ["${local.secrets}:${var.client_secrets}/*"]
  }

  statement {
    actions   = ["ecs:DescribeTaskDefinition", "secretsmanager:GetRandomPassword"]
    resources = ["*"]
  }

  # The newest image of Amazon Linux, for the NAT instance.
  statement {
    actions   = ["ssm:GetParameter"]
    resources = ["arn:aws:ssm:${var.region}::parameter/aws/service/ami-amazon-linux-latest/*"]
  }
}

# The plan to approve also looks at what runs, not at what the platform keeps. Terraform
# reads a secret to see that it is there.
data "aws_iam_policy_document" "review" {
  source_policy_documents = [data.aws_iam_policy_document.plan.json]

  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["${local.secrets}:${var.name}/database/*"]
  }

  statement {
    effect        = "Deny"
    actions       = ["s3:GetObject", "s3:GetObjectVersion"]
    not_resources = [local.state_file]
  }

  statement {
    effect    = "Deny"
    actions   = ["logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartQuery"]
    resources = ["*"]
  }
}

# Besides all services (below): the roles of the platform, and no others.
data "aws_iam_policy_document" "apply" {
  #checkov:skip=CKV_AWS_109:Roles of the platform's own name only
  source_policy_documents = [data.aws_iam_policy_document.plan.json]

  statement {
    actions   = ["s3:PutObject"]
    resources = [local.state_file]
  }

  # The lock.
  statement {
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${local.state_file}.tflock"]
  }

  # A role without the boundary could be given any right, and a task could take it.
  statement {
    actions   = ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
    resources = [local.roles]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [aws_iam_policy.boundary.arn]
    }
  }

  statement {
    actions = [
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole",
      "iam:ListRolePolicies",
      "iam:PassRole",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
      "iam:UpdateRoleDescription",
    ]
    resources = [local.roles]
  }
}

resource "aws_iam_role_policy" "workflow" {
  for_each = {
    images = data.aws_iam_policy_document.images.json
    review = data.aws_iam_policy_document.review.json
    plan   = data.aws_iam_policy_document.plan.json
    apply  = data.aws_iam_policy_document.apply.json
  }

  name   = each.key
  role   = aws_iam_role.workflow[each.key].id
  policy = each.value
}

# Terraform makes whatever the configuration says, in a dozen services: AWS's own lists are kept up to
# date by AWS. The approval of an apply decides.
resource "aws_iam_role_policy_attachment" "services" {
  for_each = {
    review = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    apply  = "arn:aws:iam::aws:policy/PowerUserAccess"
  }

  role       = aws_iam_role.workflow[each.key].name
  policy_arn = each.value
}
