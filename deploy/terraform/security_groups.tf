# Allowed connections: each row of the table opens one port of one place to one other. The load
# balancer's port 443 is the only one that is open to the world.

locals {
  places = toset(concat(
    ["load-balancer", "database", local.has_nat ? "nat" : "aws", "run", "databases", "operator"],
    keys(local.services),
  ))

  talks = concat(
    [for name, site in local.sites : { from = "load-balancer", to = name, port = local.services[name].port }],
    [for name in ["webserver", "daemon"] : { from = name, to = "code-location", port = local.services["code-location"].port }],
    [for name in ["app", "code-location", "operator", "run"] : { from = name, to = "mlflow", port = local.services.mlflow.port }],
    [for name in local.inhabitants : { from = name, to = "database", port = 5432 }],
    [for name in local.inhabitants : { from = name, to = "aws", port = 443 } if !local.has_nat],
  )
  rows = { for row in local.talks : "${row.from}-${row.to}-${row.port}" => row }
}

resource "aws_security_group" "place" {
  #checkov:skip=CKV2_AWS_5:Attached where the place is: services, tasks, database, load balancer, endpoints
  for_each = local.places

  name        = "${var.name}-${each.key}"
  description = "What ${each.key} of ${var.name} may reach, and who may reach it"
  vpc_id      = aws_vpc.platform.id

  tags = { Name = "${var.name}-${each.key}" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "row" {
  for_each = local.rows

  security_group_id            = aws_security_group.place[each.value.from].id
  referenced_security_group_id = aws_security_group.place[each.value.to].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = "To ${each.value.to}"
}

resource "aws_vpc_security_group_ingress_rule" "row" {
  for_each = local.rows

  security_group_id            = aws_security_group.place[each.value.to].id
  referenced_security_group_id = aws_security_group.place[each.value.from].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = "From ${each.value.from}"
}

# Files, and the layers of images.
resource "aws_vpc_security_group_egress_rule" "s3" {
  for_each = local.inhabitants

  security_group_id = aws_security_group.place[each.key].id
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "To S3"
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  for_each = var.visitors

  security_group_id = aws_security_group.place["load-balancer"].id
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "Browsers"
}

# The load balancer authenticates people at the identity provider.
resource "aws_vpc_security_group_egress_rule" "identity_provider" {
  security_group_id = aws_security_group.place["load-balancer"].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "To the identity provider"
}
