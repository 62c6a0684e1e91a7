# The role in each account of an organization, from its management account or a
# delegated administrator of CloudFormation.

resource "aws_cloudformation_stack_set" "readers" {
  count = length(var.organizational_units) > 0 ? 1 : 0

  name             = "${var.name}-readers"
  description      = "athenatrail - the role by which the collector asks each account's Athena"
  permission_model = "SERVICE_MANAGED"
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  template_body    = file("${path.module}/../cloudformation-reader.yaml")
  tags             = var.tags

  parameters = {
    CollectorRoleArns = join(",", concat([aws_iam_role.function["derive"].arn], [for name in ["queue", "limits"] : aws_iam_role.function[name].arn if contains(keys(local.functions), name)]))
    OrganizationId    = var.organization_id
    RoleName          = var.reader_role_name
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  managed_execution {
    active = true
  }

  operation_preferences {
    failure_tolerance_percentage = 10
    max_concurrent_percentage    = 25
    region_concurrency_type      = "PARALLEL"
  }

  lifecycle {
    ignore_changes = [administration_role_arn]

    precondition {
      condition     = local.has_organization
      error_message = "organizational_units needs organization_id."
    }
  }
}

resource "aws_cloudformation_stack_set_instance" "readers" {
  count = length(var.organizational_units) > 0 ? 1 : 0

  stack_set_name = aws_cloudformation_stack_set.readers[0].name
  region         = local.region

  deployment_targets {
    organizational_unit_ids = var.organizational_units
  }
}
