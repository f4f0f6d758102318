# What runs and ends: months, and commands of a person. What they are told is with the services.

locals {
  # Tasks that run and end. `run` is a month, launched by the daemon; the others by a person.
  tasks = {
    run = {
      image         = "platform"
      command       = []
      keys_of_admin = []
      secrets       = ["TIPS_DAGSTER_STORAGE", "TIPS_METRIC_STORE"]
    }
    operator = {
      image         = "platform"
      command       = ["tips", "--help"]
      keys_of_admin = []
      secrets       = ["TIPS_DAGSTER_STORAGE", "TIPS_METRIC_STORE"]
    }
    databases = {
      image         = "platform"
      command       = ["tips", "databases"]
      keys_of_admin = ["password"]
      secrets       = keys(local.database_urls)
    }
  }
}

resource "aws_ecs_task_definition" "task" {
  #checkov:skip=CKV_AWS_336:MLflow, Streamlit and XGBoost write to /tmp and to their home; a volume of Fargate belongs to root, the processes do not
  for_each = local.tasks

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.sizes[each.key].cpu
  memory                   = var.sizes[each.key].memory
  execution_role_arn       = aws_iam_role.execution[each.key].arn
  task_role_arn            = aws_iam_role.task[each.key].arn

  # What ECS rolls back to, and what a month is launched with until the daemon has started anew.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  container_definitions = jsonencode([merge(
    {
      name        = each.key
      image       = "${local.registry}/${aws_ecr_repository.image[each.value.image].name}:${var.image_tag}"
      essential   = true
      environment = [for name, value in merge(local.environment, local.environment_of[each.key]) : { name = name, value = value }]
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
