output "state_machine_arn" {
  description = "Start an execution of it with {} for yesterday, or see docs/deploy.md."
  value       = aws_sfn_state_machine.day.arn
}

output "start_function" {
  description = "Takes what the tracker's Lambda took."
  value       = aws_lambda_function.function["start"].function_name
}

output "lake" {
  description = "For athenatrail --lake."
  value       = "s3://${var.s3_bucket}/athenatrail"
}

output "alarm_topic" {
  description = "Subscribe to it what shall hear of failures."
  value       = aws_sns_topic.alarms.arn
}

output "derive_role_arn" {
  description = "For CollectorRoleArns of deploy/cloudformation-reader.yaml."
  value       = aws_iam_role.function["derive"].arn
}

output "trail_readers" {
  description = "Roles that the trail's bucket policy, and its key's, must allow if they are of another account."
  value       = [for name in ["unit", "finish", "deadline", "queue", "limits"] : aws_iam_role.function[name].arn if contains(keys(local.functions), name)]
}

output "log_files_queue_arn" {
  description = "Where the bucket's notifications go, if the trail has no topic."
  value       = one(aws_sqs_queue.log_files[*].arn)
}
