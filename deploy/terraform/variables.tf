variable "name" {
  description = "Name of the state machine, and beginning of the names of all else."
  type        = string
  default     = "athenatrail"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.name))
    error_message = "Want 1 to 40 small letters, digits and hyphens, beginning with a letter."
  }
}

variable "package" {
  description = "Path of the package that `make lambda` makes, bin/athenatrail-lambda-ARCH.zip."
  type        = string
}

variable "architecture" {
  description = "What the package was built for: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Want arm64 or x86_64."
  }
}

variable "memory_size" {
  description = "Memory of the functions that collect and derive, in MB. 1769 is one CPU."
  type        = number
  default     = 1769

  validation {
    condition     = var.memory_size >= 512 && var.memory_size <= 10240
    error_message = "Want 512 to 10240."
  }
}

variable "unit_concurrency" {
  description = "Reserved concurrency of the function that collects; -1 reserves none."
  type        = number
  default     = -1
}

variable "trail_bucket" {
  description = "Bucket that the trail delivers to. Empty asks LookupEvents of this account and region instead: slower, and 90 days back at most."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.trail_bucket))
    error_message = "Want the name of a bucket, without s3://, or nothing."
  }
}

variable "trail_prefix" {
  description = "Where log files lie in trail_bucket. Ends in AWSLogs/ or in a folder below it."
  type        = string
  default     = "AWSLogs/"

  validation {
    condition     = can(regex("^([A-Za-z0-9!_.*'()-]+/)*AWSLogs/([a-z0-9-]+/){0,2}$", var.trail_prefix))
    error_message = "Want a prefix such as AWSLogs/, prod/AWSLogs/ or AWSLogs/o-exampleorgid/."
  }
}

variable "trail_key_arn" {
  description = "KMS key that the trail encrypts with, if it does."
  type        = string
  default     = ""
}

variable "s3_bucket" {
  description = "Bucket of the files by the hour, and of the lake below athenatrail/."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.s3_bucket))
    error_message = "Want the name of a bucket, without s3://."
  }
}

variable "create_bucket" {
  description = "Make s3_bucket."
  type        = bool
  default     = true
}

variable "output_type" {
  description = "Form of the files by the hour; none writes the lake alone."
  type        = string
  default     = "csv"

  validation {
    condition     = contains(["csv", "json", "jsonl", "parquet", "none"], var.output_type)
    error_message = "Want csv, json, jsonl, parquet or none."
  }
}

variable "output_columns" {
  description = "Columns of the files by the hour."
  type        = string
  default     = "tracker"

  validation {
    condition     = contains(["tracker", "athena-metrics", "focus", "all"], var.output_columns)
    error_message = "Want tracker, athena-metrics, focus or all."
  }
}

variable "output_prefix" {
  description = "Prefix of the files by the hour, such as daily-report/. Empty: year=YYYY/ is at the top."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^([A-Za-z0-9_=.-]{1,100}/){1,8}$", var.output_prefix))
    error_message = "Want nothing, or a prefix that ends in a slash."
  }
}

variable "kms_key_arn" {
  description = "KMS key for the bucket, the queues, the topic and the logs. Empty: AWS's own keys encrypt. Its policy must let CloudWatch Logs use it for the functions' log groups."
  type        = string
  default     = ""
}

variable "config_parameter" {
  description = "Parameter of the Systems Manager that holds athenatrail.yaml, such as /athenatrail/config."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", var.config_parameter))
    error_message = "Want a name that begins with a slash, or nothing."
  }
}

variable "derive_policy_arn" {
  description = "A managed policy of your own for the function that derives, such as that of deploy/policy/directory.json."
  type        = string
  default     = ""
}

variable "time_zone" {
  description = "Zone of the days, of the hours' folders and of the schedules."
  type        = string
  default     = "America/New_York"
}

variable "daily_schedule" {
  description = "When yesterday is collected."
  type        = string
  default     = "cron(0 1 * * ? *)"
}

variable "deadline_schedule" {
  description = "By when yesterday must be complete. If it is not, an alarm says so."
  type        = string
  default     = "cron(0 6 * * ? *)"
}

variable "limits_schedule" {
  description = "How often limits of the configuration are applied, such as rate(10 minutes). Empty: never. Needs config_parameter."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^(cron|rate)\\(.+\\)$", var.limits_schedule))
    error_message = "Want a schedule such as rate(10 minutes), or nothing."
  }
}

variable "limits_policy_arns" {
  description = "Managed policies of your own for the function that applies limits: what athenatrail limits policy prints, and deploy/policy/notify.json. Without any it only tells, by webhooks."
  type        = list(string)
  default     = []
}

variable "schedule_state" {
  description = "DISABLED pauses the daily run and its deadline."
  type        = string
  default     = "ENABLED"

  validation {
    condition     = contains(["ENABLED", "DISABLED"], var.schedule_state)
    error_message = "Want ENABLED or DISABLED."
  }
}

variable "max_concurrency" {
  description = "Units collected at once. A day's Map takes 40 at most, a backfill's this many."
  type        = number
  default     = 24

  validation {
    condition     = var.max_concurrency >= 1 && var.max_concurrency <= 1000
    error_message = "Want 1 to 1000."
  }
}

variable "shard_by" {
  description = "What a unit is: one hour of all accounts, or one day of one account, which needs accounts in the configuration."
  type        = string
  default     = "hour"

  validation {
    condition     = contains(["hour", "account"], var.shard_by)
    error_message = "Want hour or account."
  }
}

variable "test_start_date" {
  description = "First day of a backfill, for the function start; as in the tracker."
  type        = string
  default     = ""
}

variable "test_end_date" {
  description = "Last day of a backfill, which is done too."
  type        = string
  default     = ""
}

variable "organization_id" {
  description = "Organization whose accounts are asked through the role reader_role_name in each."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "Want o- and 10 to 32 letters and digits, or nothing."
  }
}

variable "reader_role_name" {
  description = "Name of the role in each account."
  type        = string
  default     = "athenatrail-reader"
}

variable "organizational_units" {
  description = "Ids of roots or organizational units in whose accounts a StackSet makes the role. Empty: make it yourself with deploy/cloudformation-reader.yaml."
  type        = list(string)
  default     = []
}

variable "live_queue" {
  description = "Also collect log files as they are delivered, from a queue of the bucket's or the trail's notifications."
  type        = bool
  default     = false
}

variable "trail_topic_arn" {
  description = "SNS topic of the trail, to which the queue subscribes. Empty: the bucket sends its notifications to the queue."
  type        = string
  default     = ""
}

variable "alarm_email" {
  description = "Where alarms are sent. AWS sends a message first, which must be confirmed."
  type        = string
  default     = ""
}

variable "log_retention_days" {
  description = "How long the functions' logs are kept."
  type        = number
  default     = 90
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
