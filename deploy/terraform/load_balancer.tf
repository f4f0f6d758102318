# The only way in: HTTPS, by the names of the pages, for people who have logged in. Port 80 is closed:
# nothing is ever answered, not even a redirect, that is not encrypted.

locals {
  sites = {
    app       = { host = var.domain, client = "app", health = "/_stcore/health", rank = 10 }
    mlflow    = { host = "mlflow.${var.domain}", client = "mlflow", health = "/health", rank = 20 }
    webserver = { host = "dagster.${var.domain}", client = "dagster", health = "/server_info", rank = 30 }
  }
}

resource "aws_lb" "platform" {
  #checkov:skip=CKV2_AWS_28:Every request must log in first; a web application firewall is paid for by the rule
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = aws_subnet.public[*].id
  security_groups            = [aws_security_group.place["load-balancer"].id]
  enable_deletion_protection = true
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  # A page of the app is one long connection.
  idle_timeout = 300

  access_logs {
    bucket  = aws_s3_bucket.access_logs.id
    prefix  = "load-balancer"
    enabled = true
  }

  depends_on = [aws_internet_gateway.platform, aws_s3_bucket_policy.access_logs]
}

resource "aws_lb_target_group" "site" {
  #checkov:skip=CKV_AWS_378:Within the network, between two security groups; the servers have no certificates
  for_each = local.sites

  name                 = "${var.name}-${each.key}"
  vpc_id               = aws_vpc.platform.id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = local.services[each.key].port
  deregistration_delay = 60

  health_check {
    path                = each.value.health
    matcher             = "200"
    interval            = 30
    timeout             = 10
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  # A session of the app lives in one of its copies.
  stickiness {
    type            = "lb_cookie"
    enabled         = each.key == "app"
    cookie_duration = 86400
  }
}

resource "aws_acm_certificate" "sites" {
  domain_name               = var.domain
  subject_alternative_names = [for site in local.sites : site.host if site.host != var.domain]
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  # DNS records that prove to AWS who owns each name.
  proofs = {
    for name, site in local.sites : name => one([
      for proof in aws_acm_certificate.sites.domain_validation_options : proof if proof.domain_name == site.host
    ])
  }
}

resource "aws_route53_record" "certificate" {
  for_each = local.sites

  zone_id         = var.hosted_zone
  name            = local.proofs[each.key].resource_record_name
  type            = local.proofs[each.key].resource_record_type
  records         = [local.proofs[each.key].resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "sites" {
  certificate_arn         = aws_acm_certificate.sites.arn
  validation_record_fqdns = [for record in aws_route53_record.certificate : record.fqdn]
}

resource "aws_route53_record" "site" {
  for_each = local.sites

  zone_id = var.hosted_zone
  name    = each.value.host
  type    = "A"

  alias {
    name                   = aws_lb.platform.dns_name
    zone_id                = aws_lb.platform.zone_id
    evaluate_target_health = false
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.platform.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate_validation.sites.certificate_arn

  # Requests for any other name.
  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "Not found"
      status_code  = "404"
    }
  }
}

# Made by a person, so that they are in no file. Terraform must hand them to the load balancer, which keeps
# them in the state: the reason why that is encrypted and private.
data "aws_secretsmanager_secret_version" "identity_client" {
  for_each = var.identity_provider.clients

  secret_id = "${var.identity_provider.client_secrets}/${each.key}"
}

resource "aws_lb_listener_rule" "site" {
  for_each = local.sites

  listener_arn = aws_lb_listener.https.arn
  priority     = each.value.rank

  condition {
    host_header {
      values = [each.value.host]
    }
  }

  action {
    type  = "authenticate-oidc"
    order = 1

    authenticate_oidc {
      issuer                     = var.identity_provider.issuer
      authorization_endpoint     = var.identity_provider.authorization_endpoint
      token_endpoint             = var.identity_provider.token_endpoint
      user_info_endpoint         = var.identity_provider.user_info_endpoint
      client_id                  = var.identity_provider.clients[each.value.client]
      client_secret              = data.aws_secretsmanager_secret_version.identity_client[each.value.client].secret_string
      scope                      = "openid email"
      session_cookie_name        = "${var.name}-${each.value.client}"
      session_timeout            = 43200
      on_unauthenticated_request = "authenticate"
    }
  }

  action {
    type             = "forward"
    order            = 2
    target_group_arn = aws_lb_target_group.site[each.key].arn
  }
}
