# A function and a role for each trigger. What each may do is in policies.tf.

locals {
  functions = merge({
    plan     = { description = "Says what to do, as units", memory = 512, timeout = 60 }
    unit     = { description = "Collects the log files of one hour", memory = var.memory_size, timeout = 900 }
    derive   = { description = "Asks Athena, and derives the days that changed", memory = var.memory_size, timeout = 900 }
    export   = { description = "Writes the files by the hour", memory = var.memory_size, timeout = 900 }
    finish   = { description = "Fails if a log file was left out, else notes how far the lake is", memory = 1024, timeout = 900 }
    deadline = { description = "Fails if yesterday is not in the lake", memory = 1024, timeout = 900 }
    start    = { description = "Starts the state machine for inputs of the tracker", memory = 256, timeout = 60 }
    }, var.live_queue ? {
    queue = { description = "Collects log files as they are delivered", memory = var.memory_size, timeout = 900 }
    } : {}, var.limits_schedule != "" ? {
    limits = { description = "Does what limits ask for", memory = 1024, timeout = 900 }
  } : {})

  environment = merge({
    S3_BUCKET            = var.s3_bucket
    ATHENATRAIL_LAKE     = "s3://${var.s3_bucket}/athenatrail"
    ATHENATRAIL_SOURCES  = local.has_trail ? "s3://${var.trail_bucket}/${var.trail_prefix}" : "lookup-events"
    ATHENATRAIL_TIMEZONE = var.time_zone
    ATHENATRAIL_JOBS     = "8"
    OUTPUT_TYPE          = var.output_type
    OUTPUT_COLUMNS       = var.output_columns
    OUTPUT_PREFIX        = var.output_prefix
    MAX_CONCURRENCY      = tostring(var.max_concurrency)
    SHARD_BY             = var.shard_by
    }, local.has_organization ? {
    ATHENATRAIL_ASSUME_ROLE = "arn:${local.partition}:iam::{account}:role/${var.reader_role_name}"
    } : {}, var.config_parameter == "" ? {} : {
    ATHENATRAIL_CONFIG = "ssm:${var.config_parameter}"
  })

  # The ARN of the state machine is written out, since the state machine needs
  # the functions' before.
  state_machine_arn = "arn:${local.partition}:states:${local.region}:${local.account}:stateMachine:${var.name}"

  own_environment = {
    start = {
      STATE_MACHINE_ARN = local.state_machine_arn
      TEST_START_DATE   = var.test_start_date
      TEST_END_DATE     = var.test_end_date
    }
  }
}

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.functions

  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = local.has_key ? var.kms_key_arn : null
  tags              = var.tags
}

data "aws_iam_policy_document" "lambda_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name_prefix        = "${substr(var.name, 0, 28)}-${each.key}-"
  description        = "athenatrail: ${each.value.description}"
  assume_role_policy = data.aws_iam_policy_document.lambda_trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  name   = each.key
  role   = aws_iam_role.function[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements[each.key] })
}

resource "aws_iam_role_policy_attachment" "derive" {
  count = var.derive_policy_arn == "" ? 0 : 1

  role       = aws_iam_role.function["derive"].name
  policy_arn = var.derive_policy_arn
}

resource "aws_iam_role_policy_attachment" "limits" {
  for_each = toset(var.limits_schedule == "" ? [] : var.limits_policy_arns)

  role       = aws_iam_role.function["limits"].name
  policy_arn = each.value
}

resource "aws_lambda_function" "function" {
  for_each = local.functions

  function_name                  = "${var.name}-${each.key}"
  description                    = each.value.description
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  handler                        = each.key
  role                           = aws_iam_role.function[each.key].arn
  memory_size                    = each.value.memory
  timeout                        = each.value.timeout
  reserved_concurrent_executions = each.key == "unit" ? var.unit_concurrency : -1
  tags                           = var.tags

  ephemeral_storage {
    size = each.key == "export" ? 2048 : 512
  }

  environment {
    variables = { for k, v in merge(local.environment, try(local.own_environment[each.key], {})) : k => v if v != "" }
  }

  logging_config {
    log_format = "Text" # the program writes JSON lines itself
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  depends_on = [aws_iam_role_policy.function]
}
