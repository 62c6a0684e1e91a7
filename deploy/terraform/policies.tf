# What each role may do: as in deploy/cloudformation.yaml, which a test compares.

locals {
  bucket_arn = "arn:${local.partition}:s3:::${var.s3_bucket}"
  trail_arn  = "arn:${local.partition}:s3:::${var.trail_bucket}"
  lake_arn   = "${local.bucket_arn}/athenatrail"

  use_key = local.has_key ? [{
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource  = [var.kms_key_arn]
    Condition = { StringEquals = { "kms:ViaService" = ["s3.${local.region}.${local.dns_suffix}"] } }
  }] : []
  read_key = local.has_key ? [{
    Effect    = "Allow"
    Action    = ["kms:Decrypt"]
    Resource  = [var.kms_key_arn]
    Condition = { StringEquals = { "kms:ViaService" = ["s3.${local.region}.${local.dns_suffix}"] } }
  }] : []
  queue_key = local.has_key ? [{
    Effect    = "Allow"
    Action    = ["kms:Decrypt"]
    Resource  = [var.kms_key_arn]
    Condition = { StringEquals = { "kms:ViaService" = ["sqs.${local.region}.${local.dns_suffix}"] } }
  }] : []

  read_config = var.config_parameter == "" ? [] : [{
    Effect   = "Allow"
    Action   = ["ssm:GetParameter"]
    Resource = ["arn:${local.partition}:ssm:${local.region}:${local.account}:parameter${var.config_parameter}"]
  }]

  list_trail = local.has_trail ? [{
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.trail_arn]
    Condition = { StringLike = { "s3:prefix" = ["${var.trail_prefix}*"] } }
  }] : []
  read_trail = concat(local.list_trail, local.has_trail ? [{
    Effect   = "Allow"
    Action   = ["s3:GetObject"]
    Resource = ["${local.trail_arn}/${var.trail_prefix}*"]
    }] : [], var.trail_key_arn != "" ? [{
    Effect    = "Allow"
    Action    = ["kms:Decrypt"]
    Resource  = [var.trail_key_arn]
    Condition = { StringLike = { "kms:ViaService" = ["s3.*.${local.dns_suffix}"] } }
  }] : [])
  lookup_events = local.has_trail ? [] : [{
    Effect   = "Allow"
    Action   = ["cloudtrail:LookupEvents"]
    Resource = ["*"] # AWS knows no resource of it
  }]

  take_readers = local.has_organization ? [{
    Effect    = "Allow"
    Action    = ["sts:AssumeRole"]
    Resource  = ["arn:${local.partition}:iam::*:role/${var.reader_role_name}"]
    Condition = { StringEquals = { "aws:ResourceOrgID" = [var.organization_id] } }
  }] : []
  ask_athena = concat([{
    Effect   = "Allow"
    Action   = ["athena:BatchGetQueryExecution", "athena:GetCalculationExecution", "athena:GetSession", "athena:GetWorkGroup", "athena:ListTagsForResource"]
    Resource = ["arn:${local.partition}:athena:*:${local.account}:workgroup/*"]
  }], local.take_readers)

  list_lake = [{
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.bucket_arn]
    Condition = { StringLike = { "s3:prefix" = ["athenatrail/*"] } }
  }]
  read_ledger = [{
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.bucket_arn]
    Condition = { StringLike = { "s3:prefix" = ["athenatrail/_ledger/*"] } }
    }, {
    Effect   = "Allow"
    Action   = ["s3:GetObject"]
    Resource = ["${local.lake_arn}/manifest.json", "${local.lake_arn}/_ledger/*"]
  }]
  write_facts = concat(local.list_lake, [{
    Effect   = "Allow"
    Action   = ["s3:GetObject", "s3:PutObject"]
    Resource = ["${local.lake_arn}/manifest.json", "${local.lake_arn}/facts/*", "${local.lake_arn}/_ledger/*", "${local.lake_arn}/_private/*"]
  }])
  write_lake = concat(local.list_lake, [{
    Effect   = "Allow"
    Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    Resource = ["${local.lake_arn}/*"]
  }])

  own_statements = {
    plan = concat([{
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["${local.bucket_arn}/athenatrail-runs/*"]
      }], local.has_organization ? [{
      Effect   = "Allow"
      Action   = ["organizations:ListAccounts"]
      Resource = ["*"] # AWS knows no resource of it
    }] : [], local.read_ledger, local.use_key)
    unit   = concat(local.read_trail, local.lookup_events, local.write_facts, local.use_key)
    derive = concat(local.ask_athena, local.write_lake, local.use_key)
    export = concat([{
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = [local.bucket_arn]
      Condition = { StringLike = { "s3:prefix" = ["athenatrail/*", "${var.output_prefix}year=*"] } }
      }, {
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["${local.lake_arn}/manifest.json", "${local.lake_arn}/facts/query_texts/*", "${local.lake_arn}/tables/*", "${local.lake_arn}/_ledger/*"]
      }, {
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = ["${local.bucket_arn}/${var.output_prefix}year=*"]
    }], local.use_key)
    finish = concat(local.list_trail, local.read_ledger, [{
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["${local.lake_arn}/_ledger/v1/source/*"]
    }], local.use_key)
    deadline = concat(local.list_trail, local.read_ledger, local.read_key)
    limits = concat(local.take_readers, local.list_trail, local.list_lake, [{
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["${local.lake_arn}/manifest.json", "${local.lake_arn}/facts/events/*", "${local.lake_arn}/facts/limit_actions/*", "${local.lake_arn}/facts/notices/*", "${local.lake_arn}/tables/*", "${local.lake_arn}/_ledger/*"]
      }, {
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["${local.lake_arn}/_ledger/v1/limits/*", "${local.lake_arn}/_ledger/v1/source/*", "${local.lake_arn}/facts/limit_actions/*", "${local.lake_arn}/facts/notices/*"]
    }], local.use_key)
    start = [{
      Effect   = "Allow"
      Action   = ["states:StartExecution"]
      Resource = [local.state_machine_arn]
    }]
    queue = concat([for queue in aws_sqs_queue.log_files : {
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
      Resource = [queue.arn]
    }], local.queue_key, local.read_trail, local.ask_athena, local.write_lake, local.use_key)
  }

  statements = { for name in keys(local.functions) : name => concat([{
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}-${name}:*"]
  }], local.read_config, local.own_statements[name]) }
}
