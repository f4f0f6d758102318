# Services and their names in the network. Ports, and commands that are left out, are those of the images
# (deploy/Dockerfile).

locals {
  inside = "${var.name}.internal"

  # Port 0: it answers no requests. No command: the image's own.
  services = {
    webserver = {
      image   = "dagster"
      port    = 3000
      command = ["sh", "-c", "tips instance && exec dagster-webserver -w workspace.yaml -h 0.0.0.0 -p 3000"]
      secrets = ["TIPS_DAGSTER_STORAGE"]
      copies  = 1
      check   = "answers http://127.0.0.1:3000/server_info"
    }
    daemon = {
      image   = "dagster"
      port    = 0
      command = ["sh", "-c", "tips instance && exec dagster-daemon run -w workspace.yaml"]
      secrets = ["TIPS_DAGSTER_STORAGE"]
      # Never two at once, not even while one takes over from the other: each would launch what the
      # other does.
      copies = 1
      check  = "dagster-daemon liveness-check"
    }
    code-location = {
      image   = "platform"
      port    = 4000
      command = []
      secrets = ["TIPS_DAGSTER_STORAGE", "TIPS_METRIC_STORE"]
      copies  = 1
      check   = "dagster api grpc-health-check -p 4000"
    }
    mlflow = {
      image   = "mlflow"
      port    = 5000
      command = []
      secrets = ["MLFLOW_BACKEND_STORE_URI"]
      copies  = 1
      check   = "answers http://127.0.0.1:5000/health"
    }
    app = {
      image   = "platform"
      port    = 8501
      command = ["tips", "app"]
      secrets = ["TIPS_METRIC_STORE"]
      copies  = var.app_copies
      check   = "answers http://127.0.0.1:8501/_stcore/health"
    }
  }

  # Made by AWS with the database.
  admin_secret_arn = aws_db_instance.platform.master_user_secret[0].secret_arn

  # Variable => the secret that ECS reads it from. The URL of the database's administrator has no
  # password: Postgres' library takes it from PGPASSWORD.
  secrets = { for name in keys(local.database_urls) : name => aws_secretsmanager_secret.database_url[name].arn }

  environment = merge(
    {
      AWS_DEFAULT_REGION  = var.region
      TIPS_STORAGE        = "s3://${local.bucket}/${local.prefix}"
      TIPS_SNS_TOPIC_ARN  = local.topic_arn
      TIPS_APP_UI         = "https://${local.sites.app.host}"
      TIPS_DAGSTER_UI     = "https://${local.sites.webserver.host}"
      TIPS_MLFLOW_UI      = "https://${local.sites.mlflow.host}"
      MLFLOW_TRACKING_URI = "http://mlflow.${local.inside}:${local.services.mlflow.port}"

      # Nothing leaves the network: asking would only wait.
      MLFLOW_DISABLE_TELEMETRY = "true"
    },
    var.settings,
  )

  # Further variables of single services.
  environment_of = {
    webserver     = local.launcher
    daemon        = local.launcher
    code-location = { TIPS_PARAMETER_PREFIX = local.parameter_prefix }
    app           = { TIPS_APP_NAMES = local.sites.app.host }
    mlflow = {
      MLFLOW_DEFAULT_ARTIFACT_ROOT       = "s3://${local.bucket}/${local.prefix}/mlflow"
      MLFLOW_SERVER_ALLOWED_HOSTS        = "mlflow.${local.inside}:5000,${local.sites.mlflow.host}"
      MLFLOW_SERVER_CORS_ALLOWED_ORIGINS = "https://${local.sites.mlflow.host}"
    }
  }

  # How Dagster launches a month (tip_assets/runtime/instance.py).
  launcher = {
    TIPS_CODE_LOCATION_HOST  = "code-location.${local.inside}"
    TIPS_ECS_CLUSTER         = aws_ecs_cluster.platform.name
    TIPS_ECS_TASK_DEFINITION = "${var.name}-run"
    TIPS_ECS_SUBNETS         = join(",", aws_subnet.private[*].id)
    TIPS_ECS_SECURITY_GROUPS = aws_security_group.place["run"].id
  }
}

resource "aws_ecs_cluster" "platform" {
  #checkov:skip=CKV_AWS_65:Insights are paid for by the metric; the alarms need only those that are free
  name = var.name
}

resource "aws_service_discovery_private_dns_namespace" "inside" {
  name        = local.inside
  description = "Names of the services, within the network"
  vpc         = aws_vpc.platform.id
}

resource "aws_service_discovery_service" "inside" {
  for_each = { for name, service in local.services : name => service if service.port > 0 }

  name = each.key

  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.inside.id

    dns_records {
      type = "A"
      ttl  = 10
    }
  }

  # ECS reports a task's health to Cloud Map.
  health_check_custom_config {
    failure_threshold = 1
  }
}

resource "aws_ecs_task_definition" "service" {
  #checkov:skip=CKV_AWS_336:MLflow, Streamlit and XGBoost write to /run/tips; a volume of Fargate belongs to root, the processes do not
  for_each = local.services

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.sizes[each.key].cpu
  memory                   = var.sizes[each.key].memory
  execution_role_arn       = aws_iam_role.execution[each.key].arn
  task_role_arn            = aws_iam_role.task[each.key].arn

  # ECS rolls back to old definitions, and launches months with them until the daemon restarts.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  container_definitions = jsonencode([merge(
    {
      name         = each.key
      image        = "${local.registry}/${aws_ecr_repository.image[each.value.image].name}:${var.image_tag}"
      essential    = true
      environment  = [for name, value in merge(local.environment, local.environment_of[each.key]) : { name = name, value = value }]
      secrets      = [for name in each.value.secrets : { name = name, valueFrom = local.secrets[name] }]
      portMappings = each.value.port == 0 ? [] : [{ containerPort = each.value.port, protocol = "tcp" }]
      stopTimeout  = 60

      # Docker's own limit of open files is too low for a server with many visitors.
      ulimits         = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
      linuxParameters = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }

      healthCheck = {
        command     = ["CMD-SHELL", each.value.check]
        interval    = 120 # Dagster's own checks take seconds of a quarter of a core
        timeout     = 60
        retries     = 3
        startPeriod = 180
      }

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.place[each.key].name
          awslogs-region        = var.region
          awslogs-stream-prefix = each.key
        }
      }
    },
    { for key, words in { command = each.value.command } : key => words if length(words) > 0 },
  )])
}

resource "aws_ecs_service" "service" {
  for_each = local.services

  name                   = each.key
  cluster                = aws_ecs_cluster.platform.id
  task_definition        = aws_ecs_task_definition.service[each.key].arn
  launch_type            = "FARGATE"
  platform_version       = "LATEST"
  desired_count          = var.running ? each.value.copies : 0
  enable_execute_command = false
  propagate_tags         = "SERVICE"

  # Dagster looks its months' task definition up when it starts.
  force_new_deployment = true
  triggers             = contains(["daemon", "webserver"], each.key) ? { run = local.run_definition } : {}

  # The old one goes when the new one is healthy; of the daemon, before the new one comes.
  deployment_minimum_healthy_percent = each.key == "daemon" ? 0 : 100
  deployment_maximum_percent         = each.key == "daemon" ? 100 : 200
  health_check_grace_period_seconds  = contains(keys(local.sites), each.key) ? 180 : null

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = aws_subnet.private[*].id
    security_groups  = [aws_security_group.place[each.key].id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = contains(keys(local.sites), each.key) ? [each.value.port] : []

    content {
      target_group_arn = aws_lb_target_group.site[each.key].arn
      container_name   = each.key
      container_port   = load_balancer.value
    }
  }

  dynamic "service_registries" {
    for_each = each.value.port == 0 ? [] : [aws_service_discovery_service.inside[each.key].arn]

    content {
      registry_arn = service_registries.value
    }
  }

  # What a task needs to start and to answer. Without it, the circuit breaker gives up.
  depends_on = [
    aws_ecs_task_definition.task,
    aws_iam_role_policy.execution,
    aws_iam_role_policy.task,
    aws_lb_listener_rule.site,
    aws_route.nat,
    aws_route_table_association.private,
    aws_secretsmanager_secret_version.database_url,
    aws_sns_topic_policy.messages,
    aws_vpc_endpoint.aws,
    aws_vpc_endpoint.s3,
    aws_vpc_security_group_egress_rule.internet,
    aws_vpc_security_group_egress_rule.row,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_security_group_ingress_rule.row,
  ]
}
