# A small machine through which tasks reach AWS's services, where no endpoints are paid for. It lets
# out HTTPS to any server, and nothing in. It admits no log-in; each apply that finds a newer image of
# Amazon Linux replaces it, and for these minutes no task can start and no message is sent.

locals {
  has_nat = var.endpoint_zones == 0
  nat     = local.has_nat ? toset(["nat"]) : toset([])

  # What runs in the private subnets.
  inhabitants = setsubtract(local.places, ["load-balancer", "database", "aws", "nat"])
}

data "aws_ssm_parameter" "amazon_linux" {
  for_each = local.nat

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

resource "aws_instance" "nat" {
  #checkov:skip=CKV_AWS_88:It stands between the private subnets and the internet
  #checkov:skip=CKV_AWS_126:Five minutes are enough for its alarm
  #checkov:skip=CKV2_AWS_41:It calls nothing of AWS
  for_each = local.nat

  ami                         = data.aws_ssm_parameter.amazon_linux[each.key].insecure_value
  instance_type               = "t4g.nano"
  subnet_id                   = aws_subnet.public[0].id
  vpc_security_group_ids      = [aws_security_group.place["nat"].id]
  associate_public_ip_address = true
  source_dest_check           = false
  ebs_optimized               = true
  user_data_replace_on_change = true

  # https://docs.aws.amazon.com/vpc/latest/userguide/work-with-nat-instances.html
  user_data = <<-EOT
    #!/bin/sh
    set -eu
    dnf install -y iptables-services
    systemctl enable --now iptables
    echo net.ipv4.ip_forward=1 > /etc/sysctl.d/nat.conf
    sysctl -p /etc/sysctl.d/nat.conf
    iptables -F FORWARD
    iptables -t nat -A POSTROUTING -s ${var.network} -j MASQUERADE
    service iptables save
  EOT

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  root_block_device {
    encrypted   = true
    volume_type = "gp3"
    volume_size = 8
  }

  tags = { Name = "${var.name}-nat" }

  # It installs a package when it starts.
  depends_on = [aws_route.internet, aws_route_table_association.public]
}

resource "aws_route" "nat" {
  for_each = local.nat

  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "0.0.0.0/0"
  network_interface_id   = aws_instance.nat[each.key].primary_network_interface_id
}

resource "aws_vpc_security_group_ingress_rule" "nat" {
  for_each = local.nat

  security_group_id = aws_security_group.place["nat"].id
  cidr_ipv4         = var.network
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "From tasks"
}

# Of tasks, and of the instance itself.
resource "aws_vpc_security_group_egress_rule" "internet" {
  for_each = toset([for name in setunion(local.inhabitants, ["nat"]) : name if local.has_nat])

  security_group_id = aws_security_group.place[each.key].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "To AWS, through the NAT instance"
}

resource "aws_cloudwatch_metric_alarm" "nat" {
  for_each = local.nat

  alarm_name          = "${var.name}-nat-is-down"
  alarm_description   = "The NAT instance fails its checks: no task can start, and no message is sent. Which check: aws ec2 describe-instance-status --instance-ids ${aws_instance.nat[each.key].id}. Replace it: terraform apply with -replace, of aws_instance.nat."
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed"
  statistic           = "Maximum"
  dimensions          = { InstanceId = aws_instance.nat[each.key].id }
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  period              = 300
  evaluation_periods  = 2
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
