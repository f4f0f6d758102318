# What GitHub's roles must never be able to do. No account is needed:
#   terraform test -var-file=yours.tfvars.example

mock_provider "aws" {
  source          = "../tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_iam_policy.boundary
  values          = { arn = "arn:aws:iam::111122223333:policy/boundary" }
  override_during = plan
}

run "apply_role" {
  command = plan

  assert {
    condition = toset(flatten([
      for statement in data.aws_iam_policy_document.apply.statement : tolist(statement.actions)
      if length([
        for condition in statement.condition : condition
        if condition.test == "StringEquals" && condition.variable == "iam:PermissionsBoundary" &&
        toset(condition.values) == toset(["arn:aws:iam::111122223333:policy/boundary"])
      ]) == 1
    ])) == toset(["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"])
    error_message = "An apply makes roles with the boundary only."
  }

  assert {
    condition = length(setintersection(
      flatten([
        for statement in data.aws_iam_policy_document.apply.statement : tolist(statement.actions)
        if length(statement.condition) == 0
      ]),
      [
        "iam:*", "iam:AttachRolePolicy", "iam:CreatePolicyVersion", "iam:CreateRole", "iam:DeleteRolePermissionsBoundary",
        "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:SetDefaultPolicyVersion",
      ]
    )) == 0
    error_message = "An apply cannot change or remove the boundary."
  }

  assert {
    condition     = !anytrue([for role in aws_iam_role.workflow : startswith(role.name, "${var.name}-")])
    error_message = "GitHub's roles are not among those that an apply can change."
  }

  assert {
    condition     = aws_iam_policy.boundary.name == "workflow-${var.name}-boundary"
    error_message = "The boundary has the name that ../roles.tf expects."
  }
}
