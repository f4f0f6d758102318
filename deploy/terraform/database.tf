# Postgres: Dagster's, MLflow's and the metric store's databases on one server, and the URLs by which
# tools reach theirs. `tips databases` makes databases and users (outputs.tf has the command); only it
# changes tables.

locals {
  # Variable of the platform => user and database. Users read and write rows.
  database_urls = {
    TIPS_DAGSTER_STORAGE     = { user = "tips_dagster", database = "dagster" }
    TIPS_METRIC_STORE        = { user = "tips_metrics", database = "metrics" }
    MLFLOW_BACKEND_STORE_URI = { user = "tips_mlflow", database = "mlflow" }
  }

  databases_with_password = var.password_version > 0 ? local.database_urls : {}
}

resource "aws_db_subnet_group" "platform" {
  name       = var.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_db_parameter_group" "platform" {
  name_prefix = "${var.name}-"
  family      = "postgres${var.database_version}"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  # Its log goes to CloudWatch: statements about users stay out of it.
  parameter {
    name  = "log_statement"
    value = "none"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "platform" {
  #checkov:skip=CKV_AWS_118:CloudWatch's minute is enough for a database that is asked a few times in one
  #checkov:skip=CKV_AWS_157:A standby doubles the price: production.tfvars has it, small.tfvars has not
  #checkov:skip=CKV_AWS_161:Each tool has a user of its own with a random password that no person sees; tokens would need code in four tools
  #checkov:skip=CKV_AWS_353:Slow statements are in the logs; Performance Insights answers nothing more at this size
  identifier = var.name

  engine               = "postgres"
  engine_version       = var.database_version
  parameter_group_name = aws_db_parameter_group.platform.name
  ca_cert_identifier   = "rds-ca-rsa2048-g1"

  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = var.database_changes_now
  apply_immediately           = var.database_changes_now

  instance_class        = var.database_class
  storage_type          = "gp3"
  allocated_storage     = var.database_gigabytes
  max_allocated_storage = 5 * var.database_gigabytes
  multi_az              = var.database_standby

  storage_encrypted = true
  kms_key_id        = aws_kms_key.platform.arn

  # AWS makes the administrator's password, keeps it and changes it every week.
  username                      = "tips_admin"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = aws_kms_key.platform.key_id

  db_subnet_group_name   = aws_db_subnet_group.platform.name
  vpc_security_group_ids = [aws_security_group.place["database"].id]
  publicly_accessible    = false

  backup_retention_period   = var.backup_days
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"

  # An hour in which no month begins: those start on the first at 06:00 UTC.
  backup_window      = "02:00-03:00"
  maintenance_window = "sun:03:30-sun:04:30"

  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [aws_cloudwatch_log_group.database]
}

# A password for each tool. It is made while Terraform runs and sent to Secrets Manager: it is in no
# plan and no state, and only sent when its version changes.
ephemeral "aws_secretsmanager_random_password" "database" {
  provider = aws.passwords
  for_each = local.databases_with_password

  password_length     = 40
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "database_url" {
  #checkov:skip=CKV2_AWS_57:Changed by password_version, then set in the database by `tips databases` (docs/aws.md)
  for_each = local.database_urls

  name        = "${var.name}/database/${each.value.user}"
  description = "${each.key}: URL of the database ${each.value.database}, with the password"
  kms_key_id  = aws_kms_key.platform.arn
}

resource "aws_secretsmanager_secret_version" "database_url" {
  for_each = local.databases_with_password

  secret_id = aws_secretsmanager_secret.database_url[each.key].id
  secret_string_wo = format(
    "postgresql+psycopg2://%s:%s@%s/%s?sslmode=require&connect_timeout=10",
    each.value.user,
    ephemeral.aws_secretsmanager_random_password.database[each.key].random_password,
    aws_db_instance.platform.endpoint,
    each.value.database,
  )
  secret_string_wo_version = var.password_version
}
