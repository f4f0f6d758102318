# For a start, or a restaurant or two: one machine of everything. What it costs: docs/aws.md.
endpoint_zones     = 0
architecture       = "ARM64"
database_class     = "db.t4g.micro"
database_gigabytes = 20
database_standby   = false
backup_days        = 7
log_days           = 365
app_copies         = 1
budget             = 120

sizes = {
  app           = { cpu = 256, memory = 2048 }
  code-location = { cpu = 256, memory = 1024 }
  daemon        = { cpu = 256, memory = 512 }
  databases     = { cpu = 256, memory = 1024 }
  mlflow        = { cpu = 256, memory = 1024 }
  operator      = { cpu = 1024, memory = 4096 }
  run           = { cpu = 2048, memory = 4096 }
  webserver     = { cpu = 256, memory = 512 }
}
