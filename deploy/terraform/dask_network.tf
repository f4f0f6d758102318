# Who may talk with the Dask cluster: months and the cluster itself.

resource "aws_security_group" "dask" {
  #checkov:skip=CKV2_AWS_5:Attached to the tasks of the cluster
  for_each = local.one

  name        = "${var.name}-dask"
  description = "What the Dask cluster of ${var.name} may reach, and who may reach it"
  vpc_id      = aws_vpc.platform.id

  tags = { Name = "${var.name}-dask" }

  lifecycle {
    create_before_destroy = true
  }
}

# xgboost's processes speak with each other at ports that Linux gives them.
locals {
  dask_ports = var.dask_workers == 0 ? {} : {
    dask    = { first = local.dask_scheduler_port, last = local.dask_worker_port }
    xgboost = { first = 32768, last = 60999 }
  }
}

resource "aws_vpc_security_group_ingress_rule" "dask_itself" {
  for_each = local.dask_ports

  security_group_id            = aws_security_group.dask["dask"].id
  referenced_security_group_id = aws_security_group.dask["dask"].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.first
  to_port                      = each.value.last
  description                  = "From the cluster"
}

resource "aws_vpc_security_group_egress_rule" "dask_itself" {
  for_each = local.dask_ports

  security_group_id            = aws_security_group.dask["dask"].id
  referenced_security_group_id = aws_security_group.dask["dask"].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.first
  to_port                      = each.value.last
  description                  = "To the cluster"
}

resource "aws_vpc_security_group_ingress_rule" "dask_run" {
  for_each = local.one

  security_group_id            = aws_security_group.dask[each.key].id
  referenced_security_group_id = aws_security_group.place["run"].id
  ip_protocol                  = "tcp"
  from_port                    = local.dask_scheduler_port
  to_port                      = local.dask_worker_port
  description                  = "From months"
}

resource "aws_vpc_security_group_egress_rule" "run_dask" {
  for_each = local.one

  security_group_id            = aws_security_group.place["run"].id
  referenced_security_group_id = aws_security_group.dask[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = local.dask_scheduler_port
  to_port                      = local.dask_worker_port
  description                  = "To the Dask cluster"
}

resource "aws_vpc_security_group_egress_rule" "dask_s3" {
  for_each = local.one

  security_group_id = aws_security_group.dask[each.key].id
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "To S3"
}

# Images and logs: by the endpoints, or through the NAT instance.
resource "aws_vpc_security_group_egress_rule" "dask_aws" {
  for_each = local.one

  security_group_id            = aws_security_group.dask[each.key].id
  referenced_security_group_id = local.has_nat ? null : aws_security_group.place["aws"].id
  cidr_ipv4                    = local.has_nat ? "0.0.0.0/0" : null
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  description                  = "To AWS"
}

resource "aws_vpc_security_group_ingress_rule" "aws_dask" {
  for_each = local.has_nat ? [] : local.one

  security_group_id            = aws_security_group.place["aws"].id
  referenced_security_group_id = aws_security_group.dask[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  description                  = "From the Dask cluster"
}

resource "aws_service_discovery_service" "dask" {
  for_each = setintersection(local.dask, ["dask-scheduler"])

  name = each.key

  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.inside.id

    dns_records {
      type = "A"
      ttl  = 10
    }
  }

  health_check_custom_config {
    failure_threshold = 1
  }
}
