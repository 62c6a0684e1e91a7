# athenatrail on AWS: a state machine that runs every day, and the functions
# that it calls. It is what deploy/cloudformation.yaml makes; docs/deploy.md
# describes both.
#
#   module "athenatrail" {
#     source       = "github.com/athenatrail/athenatrail//deploy/terraform"
#     package      = "bin/athenatrail-lambda-arm64.zip"
#     trail_bucket = "trail-logs"
#     s3_bucket    = "usage-files"
#   }

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix
  region     = data.aws_region.current.name
  account    = data.aws_caller_identity.current.account_id

  has_trail        = var.trail_bucket != ""
  has_key          = var.kms_key_arn != ""
  has_organization = var.organization_id != ""
}

resource "aws_s3_bucket" "files" {
  count = var.create_bucket ? 1 : 0

  bucket = var.s3_bucket
  tags   = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "files" {
  count = var.create_bucket ? 1 : 0

  bucket = aws_s3_bucket.files[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "files" {
  count = var.create_bucket ? 1 : 0

  bucket                  = aws_s3_bucket.files[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "files" {
  count = var.create_bucket ? 1 : 0

  bucket = aws_s3_bucket.files[0].id

  rule {
    bucket_key_enabled = local.has_key

    apply_server_side_encryption_by_default {
      sse_algorithm     = local.has_key ? "aws:kms" : "AES256"
      kms_master_key_id = local.has_key ? var.kms_key_arn : null
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "files" {
  count = var.create_bucket ? 1 : 0

  bucket = aws_s3_bucket.files[0].id

  rule {
    id     = "plans-of-backfills"
    status = "Enabled"

    filter {
      prefix = "athenatrail-runs/"
    }

    expiration {
      days = 30
    }
  }

  rule {
    id     = "uploads-that-were-not-finished"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

data "aws_iam_policy_document" "files" {
  statement {
    sid       = "NothingInTheClear"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "files" {
  count = var.create_bucket ? 1 : 0

  bucket = aws_s3_bucket.files[0].id
  policy = data.aws_iam_policy_document.files.json
}

data "aws_iam_policy_document" "state_machine_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "state_machine" {
  name_prefix        = "${substr(var.name, 0, 28)}-day-"
  description        = "athenatrail: calls the functions of a day"
  assume_role_policy = data.aws_iam_policy_document.state_machine_trust.json
  tags               = var.tags
}

locals {
  day_functions = ["plan", "unit", "derive", "export", "finish"]

  # A distributed Map starts executions of its own machine, reads its units and
  # writes its results.
  state_machine_statements = concat([{
    Effect   = "Allow"
    Action   = ["lambda:InvokeFunction"]
    Resource = [for name in local.day_functions : "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-${name}"]
    }, {
    Effect   = "Allow"
    Action   = ["states:StartExecution"]
    Resource = [local.state_machine_arn]
    }, {
    Effect   = "Allow"
    Action   = ["states:DescribeExecution", "states:StopExecution"]
    Resource = ["arn:${local.partition}:states:${local.region}:${local.account}:execution:${var.name}/*"]
    }, {
    Effect   = "Allow"
    Action   = ["s3:GetObject", "s3:PutObject"]
    Resource = ["${local.bucket_arn}/athenatrail-runs/*"]
  }], local.use_key)
}

resource "aws_iam_role_policy" "state_machine" {
  name   = "day"
  role   = aws_iam_role.state_machine.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.state_machine_statements })
}

resource "aws_sfn_state_machine" "day" {
  name     = var.name
  type     = "STANDARD"
  role_arn = aws_iam_role.state_machine.arn
  tags     = var.tags

  definition = templatefile("${path.module}/../statemachine.asl.json", {
    Partition      = local.partition
    Bucket         = var.s3_bucket
    PlanFunction   = aws_lambda_function.function["plan"].arn
    UnitFunction   = aws_lambda_function.function["unit"].arn
    DeriveFunction = aws_lambda_function.function["derive"].arn
    ExportFunction = aws_lambda_function.function["export"].arn
    FinishFunction = aws_lambda_function.function["finish"].arn
  })

  depends_on = [aws_iam_role_policy.state_machine]
}
