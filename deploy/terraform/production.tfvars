# For a business that relies on it: a standby of the database, two copies of the app, both zones.
# What it costs: docs/aws.md.
endpoint_zones     = 2
database_class     = "db.t4g.medium"
database_gigabytes = 100
database_standby   = true
backup_days        = 35
log_days           = 400
app_copies         = 2
budget             = 600

sizes = {
  app           = { cpu = 1024, memory = 4096 }
  code-location = { cpu = 512, memory = 2048 }
  daemon        = { cpu = 512, memory = 1024 }
  databases     = { cpu = 256, memory = 1024 }
  mlflow        = { cpu = 512, memory = 2048 }
  operator      = { cpu = 2048, memory = 8192 }
  run           = { cpu = 4096, memory = 16384 }
  webserver     = { cpu = 512, memory = 1024 }
}
