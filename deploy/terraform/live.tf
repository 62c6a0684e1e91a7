# New log files, as they are delivered.

resource "aws_sqs_queue" "log_files" {
  count = var.live_queue ? 1 : 0

  name                       = "${var.name}-log-files"
  visibility_timeout_seconds = 5400 # six times the function's timeout, as Lambda wants it
  message_retention_seconds  = 1209600
  sqs_managed_sse_enabled    = local.has_key ? null : true
  kms_master_key_id          = local.has_key ? var.kms_key_arn : null
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 5
  })
}

data "aws_iam_policy_document" "log_files" {
  count = var.live_queue ? 1 : 0

  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.log_files[0].arn]

    principals {
      type        = "Service"
      identifiers = [var.trail_topic_arn == "" ? "s3.amazonaws.com" : "sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [var.trail_topic_arn == "" ? local.trail_arn : var.trail_topic_arn]
    }
  }

  statement {
    sid       = "NothingInTheClear"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.log_files[0].arn]

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

resource "aws_sqs_queue_policy" "log_files" {
  count = var.live_queue ? 1 : 0

  queue_url = aws_sqs_queue.log_files[0].id
  policy    = data.aws_iam_policy_document.log_files[0].json

  lifecycle {
    precondition {
      condition     = local.has_trail
      error_message = "live_queue needs trail_bucket."
    }
  }
}

resource "aws_sns_topic_subscription" "log_files" {
  count = var.live_queue && var.trail_topic_arn != "" ? 1 : 0

  topic_arn            = var.trail_topic_arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.log_files[0].arn
  raw_message_delivery = true
}

resource "aws_lambda_event_source_mapping" "log_files" {
  count = var.live_queue ? 1 : 0

  event_source_arn                   = aws_sqs_queue.log_files[0].arn
  function_name                      = aws_lambda_function.function["queue"].arn
  batch_size                         = 100
  maximum_batching_window_in_seconds = 60
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = 2
  }
}
