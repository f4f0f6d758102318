# What may differ between deployments in what runs.

variable "image_tag" {
  description = "Tag of the images to run, such as the commit they were built from; tags never move."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{1,128}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "A tag that names one image for ever."
  }
}

variable "architecture" {
  description = "Processors that run the images, as built: ARM64, which is a fifth cheaper, or X86_64."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "ARM64 or X86_64."
  }
}

variable "running" {
  description = "Whether the services run; false until `tips databases` has run for the first time."
  type        = bool
  default     = true
}

variable "sizes" {
  description = "CPU (1024 is one core) and memory (MB) of each service and task."
  type        = map(object({ cpu = number, memory = number }))

  validation {
    condition = toset(keys(var.sizes)) == toset([
      "app", "code-location", "daemon", "databases", "mlflow", "operator", "run", "webserver",
    ])
    error_message = "A size for each of app, code-location, daemon, databases, mlflow, operator, run, webserver."
  }

  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
  validation {
    condition = alltrue([
      for size in values(var.sizes) : (
        size.cpu == 256 ? contains([512, 1024, 2048], size.memory) :
        size.cpu == 512 ? size.memory >= 1024 && size.memory <= 4096 && size.memory % 1024 == 0 :
        size.cpu == 1024 ? size.memory >= 2048 && size.memory <= 8192 && size.memory % 1024 == 0 :
        size.cpu == 2048 ? size.memory >= 4096 && size.memory <= 16384 && size.memory % 1024 == 0 :
        size.cpu == 4096 ? size.memory >= 8192 && size.memory <= 30720 && size.memory % 1024 == 0 :
        false
      )
    ])
    error_message = "Fargate does not have a task of such a size."
  }
}

variable "app_copies" {
  description = "How many copies of the app run; from two on, one that fails is not noticed."
  type        = number

  validation {
    condition     = var.app_copies >= 1 && var.app_copies <= 10
    error_message = "From 1 to 10 copies."
  }
}

variable "settings" {
  description = "Settings of the platform, by their variables (docs/settings.md); never a secret."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for name in keys(var.settings) : startswith(name, "TIPS_") && !can(regex("_(PORT|HOST)$", name)) && !contains([
        "TIPS_DAGSTER_STORAGE", "TIPS_METRIC_STORE", "TIPS_METRIC_READER", "TIPS_POSTGRES_ADMIN",
        "TIPS_SNS_TOPIC_ARN", "TIPS_STATE", "TIPS_STORAGE",
      ], name)
    ])
    error_message = "Settings are TIPS_ variables; what is stored, sent and listened on where is said by Terraform itself."
  }
}
