# One network of two zones. AWS's own services have addresses within it, and nothing reaches the
# internet; or there is a NAT instance (nat.tf). Only that and the load balancer stand in public subnets.

locals {
  zones = [for letter in var.zones : "${var.region}${letter}"]

  # What ECS asks to start a task (images, secrets, logs) and what the platform asks itself.
  services_of_aws = toset([for name in ["ecr.api", "ecr.dkr", "ecs", "logs", "secretsmanager", "sns", "ssm"] : name if !local.has_nat])
}

resource "aws_vpc" "platform" {
  cidr_block           = var.network
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# A resource without a security group of its own cannot connect to anything.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.platform.id
}

resource "aws_subnet" "public" {
  count = 2

  vpc_id                  = aws_vpc.platform.id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(var.network, 4, count.index)
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-public-${count.index}" }
}

resource "aws_subnet" "private" {
  count = 2

  vpc_id                  = aws_vpc.platform.id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(var.network, 4, count.index + 2)
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-private-${count.index}" }
}

resource "aws_internet_gateway" "platform" {
  vpc_id = aws_vpc.platform.id

  tags = { Name = var.name }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.platform.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.platform.id
}

# Without a route to anywhere but the network itself, S3 and the NAT instance.
resource "aws_route_table" "private" {
  vpc_id = aws_vpc.platform.id

  tags = { Name = "${var.name}-private" }
}

resource "aws_route_table_association" "public" {
  count = 2

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "private" {
  count = 2

  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private.id
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.platform.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]
  policy            = data.aws_iam_policy_document.s3_endpoint.json

  tags = { Name = "${var.name}-s3" }
}

# Data can be carried to no other bucket. ECR keeps the layers of images in one of AWS's.
data "aws_iam_policy_document" "s3_endpoint" {
  statement {
    sid       = "OwnBucket"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.platform.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [var.account_id]
    }
  }

  statement {
    sid       = "ListOwnBucket"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.platform.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [var.account_id]
    }
  }

  statement {
    sid       = "LayersOfImages"
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::prod-${var.region}-starport-layer-bucket/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
}

resource "aws_vpc_endpoint" "aws" {
  for_each = local.services_of_aws

  vpc_id              = aws_vpc.platform.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = slice(aws_subnet.private[*].id, 0, var.endpoint_zones)
  security_group_ids  = [aws_security_group.place["aws"].id]

  tags = { Name = "${var.name}-${each.key}" }
}

# Rejected traffic. Accepted traffic is in the logs of the load balancer and the servers.
resource "aws_flow_log" "rejected" {
  vpc_id                   = aws_vpc.platform.id
  traffic_type             = "REJECT"
  log_destination          = aws_cloudwatch_log_group.rejected_traffic.arn
  iam_role_arn             = aws_iam_role.flow_log.arn
  max_aggregation_interval = 600

  tags = { Name = var.name }
}
