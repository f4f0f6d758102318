# A Dask cluster for months that are too long for one task (TIPS_ENGINE=dask): off by default.
#
# Who reaches the scheduler can run code on it, so only months and the cluster itself do.

variable "dask_workers" {
  description = "Workers that read files and train boosters; 0 leaves that to a month's own task."
  type        = number
  default     = 0

  validation {
    condition     = var.dask_workers >= 0 && var.dask_workers <= 100 && floor(var.dask_workers) == var.dask_workers
    error_message = "A whole number from 0 to 100."
  }
}

variable "dask_worker_size" {
  description = "CPU (1024 is one core) and memory (MB) of each worker, which has a thread a core."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 2048, memory = 8192 }
}

locals {
  dask_scheduler_port = 8786
  dask_worker_port    = 8788

  dask_tasks = var.dask_workers == 0 ? {} : {
    dask-scheduler = {
      copies  = 1
      size    = { cpu = 1024, memory = 4096 }
      command = ["dask", "scheduler", "--no-dashboard", "--port", tostring(local.dask_scheduler_port)]

      # A task fails when every worker has been away for so long; else it waits for ever.
      environment = { DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT = "5 minutes" }
    }
    dask-worker = {
      copies = var.dask_workers
      size   = var.dask_worker_size
      command = [
        "dask", "worker", local.dask_address, "--no-nanny", "--no-dashboard",
        "--worker-port", tostring(local.dask_worker_port),
        "--nthreads", tostring(max(1, floor(var.dask_worker_size.cpu / 1024))),
      ]
      environment = {}
    }
  }

  dask_address = "tcp://dask-scheduler.${local.inside}:${local.dask_scheduler_port}"

  # What a month is told.
  dask_settings = var.dask_workers == 0 ? {} : {
    TIPS_ENGINE         = "dask"
    TIPS_DASK_SCHEDULER = local.dask_address
  }

  dask = toset(keys(local.dask_tasks))
  one  = toset(var.dask_workers == 0 ? [] : ["dask"])
}

resource "aws_cloudwatch_log_group" "dask" {
  for_each = local.dask

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.platform.arn
}

resource "aws_iam_role" "dask" {
  for_each = local.dask

  name                 = "${var.name}-${each.key}"
  description          = "The code of ${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.ecs_tasks.json
  permissions_boundary = local.boundary
}

# Workers read landing files; the month itself writes.
data "aws_iam_policy_document" "dask_worker" {
  statement {
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
  }

  statement {
    actions   = ["s3:GetObject"]
    resources = ["${local.objects}/landing/*"]
  }
}

resource "aws_iam_role_policy" "dask_worker" {
  for_each = setintersection(local.dask, ["dask-worker"])

  name   = "calls-of-the-code"
  role   = aws_iam_role.dask[each.key].id
  policy = data.aws_iam_policy_document.dask_worker.json
}

resource "aws_iam_role" "dask_execution" {
  for_each = local.dask

  name                 = "${var.name}-${each.key}-start"
  description          = "ECS, when it starts ${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.ecs_tasks.json
  permissions_boundary = local.boundary
}

data "aws_iam_policy_document" "dask_execution" {
  #checkov:skip=CKV_AWS_356:ecr:GetAuthorizationToken knows no resource
  for_each = local.dask

  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.image["platform"].arn]
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.dask[each.key].arn}:log-stream:*"]
  }
}

resource "aws_iam_role_policy" "dask_execution" {
  for_each = local.dask

  name   = "start"
  role   = aws_iam_role.dask_execution[each.key].id
  policy = data.aws_iam_policy_document.dask_execution[each.key].json
}

resource "aws_ecs_task_definition" "dask" {
  #checkov:skip=CKV_AWS_336:Dask and XGBoost write to /tmp; a volume of Fargate belongs to root, the processes do not
  for_each = local.dask_tasks

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.size.cpu
  memory                   = each.value.size.memory
  execution_role_arn       = aws_iam_role.dask_execution[each.key].arn
  task_role_arn            = aws_iam_role.dask[each.key].arn
  skip_destroy             = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  container_definitions = jsonencode([{
    name        = each.key
    image       = "${local.registry}/${aws_ecr_repository.image["platform"].name}:${var.image_tag}"
    essential   = true
    command     = each.value.command
    environment = [for name, value in merge(local.environment, each.value.environment) : { name = name, value = value }]
    secrets     = []
    stopTimeout = 60

    linuxParameters = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.dask[each.key].name
        awslogs-region        = var.region
        awslogs-stream-prefix = each.key
      }
    }
  }])
}

# A worker that dies is started again; the month goes on with the others until then.
resource "aws_ecs_service" "dask" {
  for_each = local.dask_tasks

  name                   = each.key
  cluster                = aws_ecs_cluster.platform.id
  task_definition        = aws_ecs_task_definition.dask[each.key].arn
  launch_type            = "FARGATE"
  platform_version       = "LATEST"
  desired_count          = var.running ? each.value.copies : 0
  enable_execute_command = false
  propagate_tags         = "SERVICE"

  # Never two schedulers under one name.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100

  network_configuration {
    subnets          = aws_subnet.private[*].id
    security_groups  = [aws_security_group.dask["dask"].id]
    assign_public_ip = false
  }

  dynamic "service_registries" {
    for_each = each.key == "dask-scheduler" ? [aws_service_discovery_service.dask[each.key].arn] : []

    content {
      registry_arn = service_registries.value
    }
  }

  depends_on = [
    aws_iam_role_policy.dask_execution,
    aws_iam_role_policy.dask_worker,
    aws_route.nat,
    aws_route_table_association.private,
    aws_vpc_endpoint.aws,
    aws_vpc_endpoint.s3,
  ]
}
