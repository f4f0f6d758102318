# Tasks that end: months, and commands run by a person. Their environment is in services.tf.

locals {
  # Tasks that run and end. `run` is a month, launched by the daemon; the others by a person.
  tasks = {
    run = {
      image         = "platform"
      command       = []
      environment   = local.dask_settings
      keys_of_admin = []
      secrets       = ["TIPS_DAGSTER_STORAGE", "TIPS_METRIC_STORE"]
    }
    operator = {
      image         = "platform"
      command       = ["tips", "--help"]
      environment   = { TIPS_PARAMETER_PREFIX = local.parameter_prefix }
      keys_of_admin = []
      secrets       = ["TIPS_DAGSTER_STORAGE", "TIPS_METRIC_STORE"]
    }
    databases = {
      image   = "platform"
      command = ["tips", "databases"]
      environment = {
        TIPS_POSTGRES_ADMIN = "postgresql+psycopg2://${aws_db_instance.platform.username}@${aws_db_instance.platform.endpoint}/postgres?sslmode=require&connect_timeout=10"
      }
      keys_of_admin = ["password"]
      secrets       = keys(local.database_urls)
    }
  }

  # Changes with whatever a month's task is made of: this file, and what it takes from elsewhere. It
  # is known before anything is made, which the ARN of a definition that is replaced is not: a service
  # that waited for that could not be updated.
  run_definition = sha256(jsonencode([
    filesha256("${path.module}/tasks.tf"),
    var.name,
    var.architecture,
    var.image_tag,
    var.sizes["run"],
    local.database_urls,
    local.environment,
    local.dask_settings,
  ]))
}

resource "aws_ecs_task_definition" "task" {
  #checkov:skip=CKV_AWS_336:MLflow, Streamlit and XGBoost write to /run/tips; a volume of Fargate belongs to root, the processes do not
  for_each = local.tasks

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
      name        = each.key
      image       = "${local.registry}/${aws_ecr_repository.image[each.value.image].name}:${var.image_tag}"
      essential   = true
      environment = [for name, value in merge(local.environment, each.value.environment) : { name = name, value = value }]
      secrets = concat(
        [for name in each.value.secrets : { name = name, valueFrom = local.secrets[name] }],
        [for key in each.value.keys_of_admin : { name = "PGPASSWORD", valueFrom = "${local.admin_secret_arn}:${key}::" }],
      )
      stopTimeout     = 120
      linuxParameters = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }

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
