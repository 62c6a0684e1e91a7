package tool

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
)

// A look is where a line looks for its text. ASCII letters match in either
// case where nothing else is said.
type look int

const (
	// product is a word of the user agent, NAME/VERSION in most, that begins
	// with the text and goes on with no letter. An SDK may put it behind md/,
	// and what a program tells as its own name behind app/.
	product     look = iota
	app              // the user agent's app/NAME, for names too common to look for elsewhere
	beginning        // the user agent begins with the text, letters in the same case
	anywhere         // the user agent holds the text, likewise
	eventType        // the record's eventType is the text, likewise
	service          // TEXT.amazonaws.com is invokedBy, the user agent or the source address, likewise
	invoker          // invokedBy names any service
	anyService       // so does the user agent or the address, or it reads AWS Internal
	role             // the role's name begins with the text
	session          // the role session's name begins with the text
	sessionWord      // so it does, and ends there or goes on with one of -_.
	scope            // the session was made for a resource whose ARN holds the text, likewise
	fromConsole      // the session's credentials came from a console session
	comment          // only a comment in the SQL names the tool, see package annotation
)

func (l look) field() string {
	switch l {
	case eventType:
		return "eventType"
	case service, invoker, anyService:
		return "service"
	case role:
		return "role"
	case session, sessionWord:
		return "role session"
	case scope:
		return "inScopeOf"
	case comment:
		return "comment"
	case fromConsole:
		return "sessionCredentialFromConsole"
	}
	return "userAgent"
}

// sure is whether a comment in the SQL may name another tool.
type sure int

const (
	exactly sure = iota // no
	hint                // yes: somebody chose a name, or it is where a program runs
	carrier             // yes: many programs call through it
)

// what a line's detail is.
type what int

const (
	nothing  what = iota
	appName       // the user agent's app/NAME
	dagKey        // the user agent's DagRunKey/UUID: of the DAG, the same for all its runs; all zeros are none
	server        // the user agent's words behind the text, to the version
	function      // the Lambda function
	rest          // what follows the text in what was seen
	seen          // what was seen
)

// A line tells a tool by a text.
type line struct {
	look   look
	text   string // in lower case where letters match in either
	name   string
	sure   sure
	detail what
}

// table is tried from the top. The comments say what each line rests on: D
// documented, R read in records or in the tool's source, B believed.
var table = [...]line{
	// AI agents.
	{eventType, "AwsMcpEvent", "ai-agent", exactly, nothing},            // R record of 2026
	{service, "aws-mcp", "ai-agent", exactly, nothing},                  // R the same record; D Agent Toolkit for AWS
	{service, "bedrock-agentcore", "ai-agent", exactly, nothing},        // B
	{product, "awslabs/mcp", "ai-agent", exactly, server},               // R awslabs/mcp: awslabs/mcp/SERVER/VERSION
	{product, "awslabs#mcp", "ai-agent", exactly, server},               // R awslabs/mcp: md/awslabs#mcp#SERVER#VERSION
	{product, "amazonq-for-cli", "ai-agent", exactly, appName},          // R app/AmazonQ-For-CLI, Amazon Q and Kiro CLI
	{product, "exec-env/amazonq-for-cli", "ai-agent", exactly, nothing}, // B the same in AWS_EXECUTION_ENV

	// This program, then programs that name themselves to AWS.
	{product, "athenatrail", "athenatrail", exactly, nothing},                            // R internal/awsconn
	{product, "dbt-athena", "dbt", exactly, nothing},                                     // R dbt-labs/dbt-adapters config.py; dbt-athena-community before
	{product, "airflow", "airflow", exactly, dagKey},                                     // R apache/airflow base_aws.py
	{product, "grafana", "grafana", exactly, nothing},                                    // R grafana/grafana-aws-sdk settings.go
	{product, "terraform", "terraform", exactly, nothing},                                // R records
	{product, "hashicorp-terraform-exec", "terraform", exactly, nothing},                 // R records
	{product, "pulumi", "pulumi", exactly, nothing},                                      // R pulumi/pulumi-aws-native
	{product, "cloudcustodian", "cloud-custodian", exactly, nothing},                     // R records
	{product, "redash", "redash", exactly, nothing},                                      // B Redash's own agent is PyAthena's
	{product, "metabase", "metabase", exactly, nothing},                                  // B as the JDBC driver's ApplicationName
	{product, "superset", "superset", exactly, nothing},                                  // B Superset's own agent is PyAthena's
	{product, "tableau", "tableau", exactly, nothing},                                    // B
	{product, "powerbi", "power-bi", exactly, nothing},                                   // B
	{product, "power-bi", "power-bi", exactly, nothing},                                  // B
	{product, "microsoft.mashup", "power-bi", exactly, nothing},                          // B Power Query's engine
	{product, "dbeaver", "dbeaver", exactly, nothing},                                    // B
	{product, "datagrip", "datagrip", exactly, nothing},                                  // B
	{app, "looker", "looker", exactly, nothing},                                          // B
	{app, "mode", "mode", exactly, nothing},                                              // B
	{app, "hex", "hex", exactly, nothing},                                                // B
	{beginning, "sbAthenaJDBCDriver/2.0, aws-internal/", "quicksight", exactly, nothing}, // R record of 2019

	// Services that call for their users, by the service or by the names that
	// they give to roles and sessions.
	{service, "quicksight", "quicksight", exactly, nothing},                     // D QuickSight User Guide, CloudTrail
	{session, "quicksight-rolesession-", "quicksight", exactly, nothing},        // R records
	{role, "aws-quicksight-", "quicksight", exactly, nothing},                   // D QuickSight User Guide, aws-quicksight-service-role-v0
	{service, "states", "step-functions", exactly, nothing},                     // R records
	{service, "scheduler", "eventbridge-scheduler", exactly, nothing},           // D EventBridge Scheduler, its principal
	{service, "cloudformation", "cloudformation", exactly, nothing},             // R records
	{session, "awscloudformation", "cloudformation", exactly, nothing},          // D CloudFormation
	{session, "athenaexecutor-", "spark-notebook", exactly, rest},               // D Athena User Guide, notebooks: the session's id
	{service, "lakeformation", "lake-formation", exactly, nothing},              // R records
	{session, "awslf-", "lake-formation", exactly, nothing},                     // R aws/aws-lakeformation-best-practices
	{service, "glue", "glue", exactly, nothing},                                 // R records
	{session, "gluejobrunnersession", "glue", exactly, nothing},                 // R records
	{session, "aws-crawler", "glue", exactly, nothing},                          // B
	{service, "sagemaker", "sagemaker", exactly, nothing},                       // B
	{service, "datazone", "sagemaker", exactly, nothing},                        // B Unified Studio
	{role, "datazone_usr_role_", "sagemaker", exactly, nothing},                 // B Unified Studio, a project's role
	{sessionWord, "sagemaker", "sagemaker", exactly, nothing},                   // R records
	{product, "aws-sagemaker-python-sdk", "sagemaker", exactly, nothing},        // R aws/sagemaker-python-sdk user_agent.py
	{product, "aws-sagemaker-notebook-instance", "sagemaker", exactly, nothing}, // R the same

	// People at AWS's own screens and prompts.
	{product, "exec-env/cloudshell", "cloudshell", exactly, nothing}, // R records
	{product, "aws-cli", "aws-cli", exactly, nothing},                // R records
	{product, "awspowershell", "powershell", exactly, nothing},       // B AWS Tools for PowerShell
	{product, "mozilla", "console", exactly, nothing},                // R records
	{service, "signin", "console", exactly, nothing},                 // R records, the console's old proxy
	{service, "console", "console", exactly, nothing},                // R records
	{product, "aws-internal", "console", exactly, nothing},           // D Athena User Guide of 2017, from the console

	// Names that somebody gave to a session, and places where programs run.
	{sessionWord, "redash", "redash", hint, nothing},            // R getredash/redash athena.py, assume-role mode
	{sessionWord, "airflow", "airflow", hint, nothing},          // B
	{sessionWord, "mwaa", "airflow", hint, nothing},             // B
	{sessionWord, "dbt", "dbt", hint, nothing},                  // B
	{sessionWord, "metabase", "metabase", hint, nothing},        // B
	{sessionWord, "superset", "superset", hint, nothing},        // B
	{sessionWord, "looker", "looker", hint, nothing},            // B
	{sessionWord, "tableau", "tableau", hint, nothing},          // B
	{sessionWord, "powerbi", "power-bi", hint, nothing},         // B
	{sessionWord, "power-bi", "power-bi", hint, nothing},        // B
	{sessionWord, "power_bi", "power-bi", hint, nothing},        // B
	{sessionWord, "grafana", "grafana", hint, nothing},          // B
	{session, "terraform-run-", "terraform", hint, nothing},     // D HCP Terraform
	{scope, ":function:", "lambda", hint, function},             // R records
	{product, "exec-env/aws_lambda_", "lambda", hint, function}, // R records
	{invoker, "", "aws-service", hint, seen},                    // D CloudTrail User Guide, userIdentity

	// What carries. A driver's agent names its SDK too, and a library's names
	// the one below.
	{product, "awswrangler", "awswrangler", carrier, appName},   // R aws/aws-sdk-pandas _utils.py
	{product, "pyathena", "pyathena", carrier, appName},         // R laughingman7743/PyAthena
	{product, "sbathenajdbcdriver", "jdbc", carrier, appName},   // R record of 2019, driver 2.x
	{product, "athena-driver-jdbc", "jdbc", carrier, appName},   // B driver 3.x
	{product, "boto3", "boto3", carrier, appName},               // R boto/boto3
	{product, "botocore", "sdk-python", carrier, appName},       // R boto/botocore useragent.py
	{product, "aiobotocore", "sdk-python", carrier, appName},    // R aio-libs/aiobotocore
	{product, "boto", "sdk-python", carrier, appName},           // B boto before 3
	{anywhere, "JDBC", "jdbc", carrier, appName},                // B
	{anywhere, "jdbc", "jdbc", carrier, appName},                // B
	{anywhere, "Jdbc", "jdbc", carrier, appName},                // B
	{anywhere, "ODBC", "odbc", carrier, appName},                // B driver 1.x
	{anywhere, "odbc", "odbc", carrier, appName},                // B driver 2.x
	{anywhere, "Odbc", "odbc", carrier, appName},                // B
	{product, "aws-sdk-go", "sdk-go", carrier, appName},         // R records, aws-sdk-go-v2
	{product, "aws-sdk-java", "sdk-java", carrier, appName},     // R records
	{product, "aws-sdk-js", "sdk-js", carrier, appName},         // R aws/aws-sdk-js-v3
	{product, "aws-sdk-nodejs", "sdk-js", carrier, appName},     // R records
	{product, "aws-sdk-ruby", "sdk-ruby", carrier, appName},     // R records, aws-sdk-ruby3
	{product, "aws-sdk-php", "sdk-php", carrier, appName},       // R aws/aws-sdk-php
	{product, "aws-sdk-dotnet", "sdk-net", carrier, appName},    // R aws/aws-sdk-net, aws-sdk-dotnet-coreclr
	{product, "aws-sdk-rust", "sdk-rust", carrier, appName},     // R awslabs/aws-sdk-rust
	{product, "rusoto", "sdk-rust", carrier, appName},           // B
	{product, "aws-sdk-cpp", "sdk-cpp", carrier, appName},       // R aws/aws-sdk-cpp
	{product, "aws-sdk-kotlin", "sdk-kotlin", carrier, appName}, // R awslabs/aws-sdk-kotlin
	{product, "aws-sdk-swift", "sdk-swift", carrier, appName},   // R awslabs/aws-sdk-swift
	{product, "paws", "sdk-r", carrier, appName},                // B paws for R

	// Nothing better is told.
	{fromConsole, "", "console", exactly, nothing}, // D CloudTrail User Guide, sessionCredentialFromConsole
	{anyService, "", "aws-service", hint, seen},    // D CloudTrail User Guide, userAgent

	// Names that no record tells.
	{comment, "dagster", "dagster", hint, nothing}, // each R or D as in internal/annotation, markers.go
	{comment, "intellij", "intellij", hint, nothing},
	{comment, "lightdash", "lightdash", hint, nothing},
	{comment, "openmetadata", "openmetadata", hint, nothing},
	{comment, "prefect", "prefect", hint, nothing},
	{comment, "sigma", "sigma", hint, nothing},
	{comment, "thoughtspot", "thoughtspot", hint, nothing},
}

// rules names the reading of the table. It changes when the same table would
// tell another tool or another detail.
const rules = "tools 1"

// Hash returns a hash of the table and of how it is read.
func Hash() string { return hash() }

var hash = sync.OnceValue(func() string {
	h := sha256.New()
	fmt.Fprintln(h, rules)
	for _, l := range table {
		fmt.Fprintf(h, "%d %q %q %d %d\n", l.look, l.text, l.name, l.sure, l.detail)
	}
	return hex.EncodeToString(h.Sum(nil))
})
