package tool

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
)

func byAgent(agent string) *athenatrail.Record {
	return &athenatrail.Record{EventType: "AwsApiCall", UserAgent: agent, SourceIP: "203.0.113.7"}
}

func bySession(roleName, sessionName string) *athenatrail.Record {
	r := byAgent(boto)
	r.Identity = athenatrail.Identity{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/" + roleName + "/" + sessionName}
	return r
}

func byService(host string) *athenatrail.Record {
	r := byAgent(host)
	r.SourceIP = host
	r.Identity = athenatrail.Identity{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/etl/0123456789abcdef", InvokedBy: host}
	return r
}

func with(r *athenatrail.Record, change func(*athenatrail.Record)) *athenatrail.Record {
	change(r)
	return r
}

// What programs send. Those of which no real agent is at hand are put together
// as their SDK does it (botocore useragent.py, aws-sdk-go-v2 middleware).
const (
	boto    = "Boto3/1.40.44 md/Botocore#1.40.44 ua/2.1 os/linux#6.1.0 md/arch#x86_64 lang/python#3.12.3 md/pyimpl#CPython cfg/retry-mode#legacy"
	oldBoto = "Boto3/1.24.84 Python/3.8.14 Linux/4.14.225-175.364.amzn2.aarch64 Botocore/1.27.84"
	java    = "aws-sdk-java/2.33.8 ua/2.1 os/Linux#5.15 lang/java#21.0.4 md/OpenJDK_64-Bit_Server_VM"
	cpp     = "aws-sdk-cpp/1.11.493 ua/2.1 api/Athena os/Windows#10.0 lang/c++#C++11 md/aws-crt#0.29"
	goV2    = "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#amd64 api/athena#1.55.6"
	browser = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/106.0.0.0 Safari/537.36"
	zeros   = "00000000-0000-0000-0000-000000000000"
)

// lines has a case for every line of the table; its first two fields name the
// line that must answer.
var lines = []struct {
	look         look
	text         string
	record       *athenatrail.Record
	name, detail string
}{
	{eventType, "AwsMcpEvent", with(byAgent(boto), func(r *athenatrail.Record) { r.EventType = "AwsMcpEvent" }), "ai-agent", ""},
	{service, "aws-mcp", byService("aws-mcp.amazonaws.com"), "ai-agent", ""},
	{service, "bedrock-agentcore", byService("bedrock-agentcore.amazonaws.com"), "ai-agent", ""},
	{product, "awslabs/mcp", byAgent(boto + " awslabs/mcp/amazon-translate-mcp-server/1.0.0"), "ai-agent", "amazon-translate-mcp-server"},
	{product, "awslabs#mcp", byAgent(boto + " md/awslabs#mcp#redshift-mcp-server#0.0.9"), "ai-agent", "redshift-mcp-server"},
	{product, "amazonq-for-cli", byAgent("aws-sdk-rust/1.3.15 ua/2.1 api/athena/1.1 os/linux lang/rust/1.92.0 m/F app/AmazonQ-For-CLI"), "ai-agent", "AmazonQ-For-CLI"},
	{product, "exec-env/amazonq-for-cli", byAgent("aws-cli/2.31.5 md/awscrt#0.27.6 ua/2.1 os/macos#24.6 exec-env/AmazonQ-For-CLI-Version-1.13.0 md/command#athena.get-query-results"), "ai-agent", ""},

	{product, "athenatrail", byAgent(goV2 + " athenatrail/1.0"), "athenatrail", ""},
	{product, "dbt-athena", byAgent(boto + " PyAthena/3.17.1 dbt-athena-community/1.9.5"), "dbt", ""},
	{product, "airflow", byAgent(boto + " Airflow/2.11.0 AmPP/9.14.0 Caller/AthenaOperator DagRunKey/4b0f0e4e-1b7c-5a0e-8d2e-5ce0ff6ff5a1"), "airflow", "4b0f0e4e-1b7c-5a0e-8d2e-5ce0ff6ff5a1"},
	{product, "airflow", byAgent("[" + boto + " Airflow/2.11.0 AmPP/9.14.0 Caller/AthenaOperator DagRunKey/" + zeros + "]"), "airflow", ""},
	{product, "grafana", byAgent("aws-sdk-go-v2/1.36.3 ua/2.1 os/linux lang/go#1.24.1 md/GOOS#linux md/GOARCH#amd64 aws-sdk-go/1.55.6 -go1.24.1--linux-- athena/3.1.2 Grafana/11.6.0 AMG/true"), "grafana", ""},
	{product, "terraform", byAgent("APN/1.0 HashiCorp/1.0 Terraform/1.1.2 (+https://www.terraform.io) terraform-provider-aws/3.76.1 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go/1.44.157 (go1.19.3; linux; amd64) HashiCorp-terraform-exec/0.17.3"), "terraform", ""},
	{product, "terraform", byAgent("aws-sdk-go-v2/1.39.2 terraform-provider-aws/6.15.0 (+https://registry.terraform.io/providers/hashicorp/aws)"), "terraform", ""},
	{product, "hashicorp-terraform-exec", byAgent("aws-sdk-go/1.44.157 (go1.19.3; linux; amd64) HashiCorp-terraform-exec/0.17.3"), "terraform", ""},
	{product, "pulumi", byAgent("APN/1.0 Pulumi/1.0 PulumiAwsNative/1.2, " + goV2), "pulumi", ""},
	{product, "cloudcustodian", byAgent("CloudCustodian/0.8.23.2 Python/2.7.12 Linux/4.4.51-40.60.amzn1.x86_64 exec-env/AWS_Lambda_python2.7 Botocore/1.5.43"), "cloud-custodian", ""},
	{product, "redash", byAgent(boto + " app/redash PyAthena/2.25.2"), "redash", ""},
	{product, "metabase", byAgent(java + " athena-driver-jdbc/3.6.0 app/Metabase"), "metabase", ""},
	{product, "superset", byAgent(boto + " app/superset-prod PyAthena/3.17.1"), "superset", ""},
	{product, "tableau", byAgent(java + " app/Tableau-2024.1"), "tableau", ""},
	{product, "powerbi", byAgent(cpp + " app/PowerBI"), "power-bi", ""},
	{product, "power-bi", byAgent(cpp + " app/Power-BI"), "power-bi", ""},
	{product, "microsoft.mashup", byAgent(cpp + " app/Microsoft.Mashup.Container.NetFX45"), "power-bi", ""},
	{product, "dbeaver", byAgent(java + " app/DBeaver-24.1"), "dbeaver", ""},
	{product, "datagrip", byAgent(java + " app/DataGrip"), "datagrip", ""},
	{app, "looker", byAgent(java + " athena-driver-jdbc/3.5.1 app/Looker"), "looker", ""},
	{app, "mode", byAgent(java + " app/Mode"), "mode", ""},
	{app, "hex", byAgent(boto + " app/Hex"), "hex", ""},
	{beginning, "sbAthenaJDBCDriver/2.0, aws-internal/", byAgent("sbAthenaJDBCDriver/2.0, aws-internal/3"), "quicksight", ""},

	{service, "quicksight", byService("quicksight.amazonaws.com"), "quicksight", ""},
	{session, "quicksight-rolesession-", bySession("any", "QuickSight-RoleSession-1760000000000"), "quicksight", ""},
	{role, "aws-quicksight-", bySession("aws-quicksight-service-role-v0", "any"), "quicksight", ""},
	{service, "states", byService("states.amazonaws.com"), "step-functions", ""},
	{service, "scheduler", byService("scheduler.amazonaws.com"), "eventbridge-scheduler", ""},
	{service, "cloudformation", byService("cloudformation.amazonaws.com"), "cloudformation", ""},
	{session, "awscloudformation", bySession("deploy", "AWSCloudFormation"), "cloudformation", ""},
	{session, "athenaexecutor-", bySession("AWSAthenaSparkExecutionRole-om0yj71w5l", "AthenaExecutor-9cc1ebb2-aac5-b1ca-8247-5d827bd8232f"), "spark-notebook", "9cc1ebb2-aac5-b1ca-8247-5d827bd8232f"},
	{service, "lakeformation", byService("lakeformation.amazonaws.com"), "lake-formation", ""},
	{session, "awslf-", bySession("AWSServiceRoleForLakeFormationDataAccess", "AWSLF-00-AT-111122223333-abc"), "lake-formation", ""},
	{service, "glue", byService("glue.eu-west-1.amazonaws.com"), "glue", ""},
	{session, "gluejobrunnersession", bySession("glue-sales-etl", "GlueJobRunnerSession"), "glue", ""},
	{session, "aws-crawler", bySession("crawl", "AWS-Crawler"), "glue", ""},
	{service, "sagemaker", byService("sagemaker.amazonaws.com"), "sagemaker", ""},
	{service, "datazone", byService("datazone.amazonaws.com.cn"), "sagemaker", ""},
	{role, "datazone_usr_role_", bySession("datazone_usr_role_abc_def", "rosa@example.com"), "sagemaker", ""},
	{sessionWord, "sagemaker", bySession("science", "SageMaker"), "sagemaker", ""},
	{product, "aws-sagemaker-python-sdk", byAgent("AWS-SageMaker-Python-SDK/2.200.0 Python/3.10.6 Linux/5.10 Boto3/1.34.1 Botocore/1.34.1"), "sagemaker", ""},
	{product, "aws-sagemaker-notebook-instance", byAgent(oldBoto + " AWS-SageMaker-Notebook-Instance/2.1"), "sagemaker", ""},

	{product, "exec-env/cloudshell", byAgent("aws-cli/2.13.5 Python/3.11.4 Linux/4.14.255-314-253.539.amzn2.x86_64 exec-env/CloudShell exe/x86_64.amzn.2 prompt/off command/athena.start-query-execution"), "cloudshell", ""},
	{product, "aws-cli", byAgent("aws-cli/1.11.85 Python/2.7.10 Darwin/16.6.0 botocore/1.5.48"), "aws-cli", ""},
	{product, "awspowershell", byAgent("AWSPowerShell.Common/4.1.9.0 .NET_Core/6.0.8 OS/Linux PowerShellCore/7.2"), "powershell", ""},
	{product, "mozilla", byAgent("[" + browser + "]"), "console", ""},
	{service, "signin", byService("signin.amazonaws.com"), "console", ""},
	{service, "console", byAgent("console.amazonaws.com"), "console", ""},
	{product, "aws-internal", byAgent("aws-internal/3"), "console", ""},

	{sessionWord, "redash", bySession("bi", "redash"), "redash", ""},
	{sessionWord, "airflow", bySession("etl", "airflow-worker"), "airflow", ""},
	{sessionWord, "mwaa", bySession("etl", "mwaa.prod"), "airflow", ""},
	{sessionWord, "dbt", bySession("etl", "dbt"), "dbt", ""},
	{sessionWord, "metabase", bySession("bi", "metabase"), "metabase", ""},
	{sessionWord, "superset", bySession("bi", "Superset_1"), "superset", ""},
	{sessionWord, "looker", bySession("bi", "looker"), "looker", ""},
	{sessionWord, "tableau", bySession("bi", "tableau"), "tableau", ""},
	{sessionWord, "powerbi", bySession("bi", "PowerBI"), "power-bi", ""},
	{sessionWord, "power-bi", bySession("bi", "power-bi"), "power-bi", ""},
	{sessionWord, "power_bi", bySession("bi", "power_bi"), "power-bi", ""},
	{sessionWord, "grafana", bySession("bi", "grafana-1"), "grafana", ""},
	{session, "terraform-run-", bySession("tf", "terraform-run-AbC123"), "terraform", ""},
	{scope, ":function:", with(bySession("LambdaBasicExecutionRole", "TestFunction"), func(r *athenatrail.Record) {
		r.Identity.InScopeOf = athenatrail.InScopeOf{IssuerType: "AWS::Lambda::Function", CredentialsIssuedTo: "arn:aws:lambda:eu-central-1:111122223333:function:freshness:live"}
	}), "lambda", "freshness"},
	{product, "exec-env/aws_lambda_", with(bySession("fn", "freshness-check"), func(r *athenatrail.Record) {
		r.UserAgent = "aws-sdk-go/1.38.37 (go1.16; linux; amd64) exec-env/AWS_Lambda_go1.x"
	}), "lambda", "freshness-check"},
	{product, "exec-env/aws_lambda_", with(bySession("fn", "botocore-session-1760000000"), func(r *athenatrail.Record) {
		r.UserAgent = boto + " exec-env/AWS_Lambda_python3.12"
	}), "lambda", ""},
	{invoker, "", with(byAgent(java), func(r *athenatrail.Record) { r.Identity.InvokedBy = "emr-serverless.amazonaws.com" }), "aws-service", "emr-serverless.amazonaws.com"},

	{product, "awswrangler", byAgent(boto + " awswrangler/3.13.0"), "awswrangler", ""},
	{product, "pyathena", byAgent(boto + " app/reports PyAthena/3.17.1"), "pyathena", "reports"},
	{product, "sbathenajdbcdriver", byAgent("sbAthenaJDBCDriver/2.0, aws-sdk-java/1.11.880 Linux/5.10 OpenJDK_64-Bit_Server_VM/25.292 java/1.8.0_292"), "jdbc", ""},
	{product, "athena-driver-jdbc", byAgent(java + " athena-driver-jdbc/3.6.0 app/SqlWorkbench"), "jdbc", "SqlWorkbench"},
	{anywhere, "JDBC", byAgent(java + " AthenaJDBC/3.2.0"), "jdbc", ""},
	{anywhere, "jdbc", byAgent(java + " amazon-athena-jdbc/3.2.0"), "jdbc", ""},
	{anywhere, "Jdbc", byAgent(java + " AthenaJdbc/3.2.0"), "jdbc", ""},
	{anywhere, "ODBC", byAgent("sbAthenaODBCDriver/1.2"), "odbc", ""},
	{anywhere, "odbc", byAgent(cpp + " athena-odbc/2.0.5"), "odbc", ""},
	{anywhere, "Odbc", byAgent(cpp + " AthenaOdbc/2.0.5"), "odbc", ""},
	{product, "boto3", byAgent(oldBoto), "boto3", ""},
	{product, "boto3", byAgent(boto + " app/my-jdbc-export"), "boto3", "my-jdbc-export"},
	{product, "botocore", byAgent("Botocore/1.40.44 ua/2.1 os/linux#6.1.0 lang/python#3.12.3"), "sdk-python", ""},
	{product, "aiobotocore", byAgent("aiobotocore/2.13.1 ua/2.1 os/linux#6.1.0 lang/python#3.12.3"), "sdk-python", ""},
	{product, "boto", byAgent("Boto/2.49.0 Python/2.7.18 Linux/4.14"), "sdk-python", ""},
	{product, "aws-sdk-go", byAgent(goV2), "sdk-go", ""},
	{product, "aws-sdk-go", byAgent("aws-sdk-go/1.38.37 (go1.16; linux; amd64)"), "sdk-go", ""},
	{product, "aws-sdk-java", byAgent(java), "sdk-java", ""},
	{product, "aws-sdk-js", byAgent("aws-sdk-js/3.900.0 ua/2.1 os/linux#6.1.0 lang/js md/nodejs#22.19.0"), "sdk-js", ""},
	{product, "aws-sdk-nodejs", byAgent("aws-sdk-nodejs/2.320.0 linux/v8.10.0 callback"), "sdk-js", ""},
	{product, "aws-sdk-ruby", byAgent("aws-sdk-ruby3/3.75.0 jruby/2.3.3 java aws-sdk-athena/1.19.0"), "sdk-ruby", ""},
	{product, "aws-sdk-php", byAgent("aws-sdk-php/3.212.2 OS/Linux/5.10.25-linuxkit lang/php/8.0.18 GuzzleHttp/7"), "sdk-php", ""},
	{product, "aws-sdk-dotnet", byAgent("aws-sdk-dotnet-coreclr/3.7.305.28 ua/2.0 os/windows#10.0.22631.0 md/ARCH#X64"), "sdk-net", ""},
	{product, "aws-sdk-rust", byAgent("aws-sdk-rust/1.3.9 ua/2.1 api/athena/1.88.0 os/linux lang/rust/1.87.0 m/E"), "sdk-rust", ""},
	{product, "rusoto", byAgent("rusoto/0.48.0 rust/1.58.0 linux"), "sdk-rust", ""},
	{product, "aws-sdk-cpp", byAgent(cpp), "sdk-cpp", ""},
	{product, "aws-sdk-kotlin", byAgent("aws-sdk-kotlin/1.3.81 ua/2.1 api/athena#1.3.81 os/linux"), "sdk-kotlin", ""},
	{product, "aws-sdk-swift", byAgent("aws-sdk-swift/1.5.86 ua/2.1 api/athena#1.5.86 os/macos#15"), "sdk-swift", ""},
	{product, "paws", byAgent("paws/0.5.0 (R4.3.1; linux-gnu; x86_64)"), "sdk-r", ""},

	{fromConsole, "", with(byAgent("AWS Internal"), func(r *athenatrail.Record) { r.FromConsole = true }), "console", ""},
	{anyService, "", byAgent("AWS Internal"), "aws-service", "AWS Internal"},
	{anyService, "", with(byAgent(""), func(r *athenatrail.Record) { r.SourceIP = "athena.amazonaws.com" }), "aws-service", "athena.amazonaws.com"},
}

func TestLines(t *testing.T) {
	reached := make([]bool, len(table))
	for _, l := range lines {
		f := finding{record: l.record, best: none}
		if f.look(); f.best == none {
			t.Errorf("%s: no line answers, want %q", l.record.UserAgent, l.text)
			continue
		}
		if won := table[f.best]; won.look != l.look || won.text != l.text {
			t.Errorf("%s: line %d %q answers, want %d %q", l.record.UserAgent, won.look, won.text, l.look, l.text)
		}
		reached[f.best] = true
		if got := Of(l.record, nil); got.Name != l.name || got.Detail != l.detail {
			t.Errorf("%s: %s %q, want %s %q", l.record.UserAgent, got.Name, got.Detail, l.name, l.detail)
		}
	}
	for i, ok := range reached {
		if l := &table[i]; l.look == comment {
			ok = Of(byAgent(boto), &annotation.Note{Tool: l.text}).Name == l.name
		}
		if !ok {
			t.Errorf("no case for the table's line %q of %s", table[i].text, table[i].name)
		}
	}
}

// TestTable holds that the table's texts are as matching wants them: in another
// case, or with another first byte, a line would never answer.
func TestTable(t *testing.T) {
	for i, l := range table {
		folds := l.look != anywhere && l.look != beginning && l.look != eventType && l.look != service && l.look != scope
		if folds && l.text != strings.ToLower(l.text) {
			t.Errorf("line %q is not in lower case", l.text)
		}
		if (l.look == product || l.look == session || l.look == sessionWord) && !isLower(l.text[0]) {
			t.Errorf("line %q does not begin with a letter", l.text)
		}
		if !isName(l.name) {
			t.Errorf("line %q: name %q", l.text, l.name)
		}
		for _, later := range table[i+1:] {
			if later.look == l.look && later.text == l.text {
				t.Errorf("line %q is there twice", l.text)
			}
		}
	}
}

func TestPrecedence(t *testing.T) {
	f := func(what string, r *athenatrail.Record, note annotation.Note, name, detail string) {
		t.Helper()
		if got := Of(r, &note); got.Name != name || got.Detail != detail {
			t.Errorf("%s: %s %q, want %s %q", what, got.Name, got.Detail, name, detail)
		}
	}
	redash := annotation.Note{Tool: "redash", Detail: "query 12", Comment: "/* Username: a@example.com */"}
	dbt := annotation.Note{Tool: "dbt", Detail: "model.shop.orders"}
	dbtAgent := boto + " PyAthena/3.17.1 dbt-athena/1.9.5"
	airflow := boto + " Airflow/2.11.0 AmPP/9.14.0 Caller/AthenaOperator DagRunKey/4b0f0e4e-1b7c-5a0e-8d2e-5ce0ff6ff5a1"

	f("no note", byAgent(boto), annotation.Note{}, "boto3", "")
	f("a carrier gives way", byAgent(boto+" PyAthena/2.25.2"), redash, "redash", "query 12")
	f("awswrangler is a carrier", byAgent(boto+" awswrangler/3.13.0"), redash, "redash", "query 12")
	f("unknown gives way", byAgent(""), redash, "redash", "query 12")
	f("a name somebody chose gives way", bySession("bi", "airflow"), redash, "redash", "query 12")
	f("a function gives way", byAgent(boto+" exec-env/AWS_Lambda_python3.12"), redash, "redash", "query 12")
	f("some service gives way", byService("kinesisanalytics.amazonaws.com"), redash, "redash", "query 12")
	f("who pastes into the console is in the console", byAgent(browser), redash, "console", "")
	f("who pastes at the prompt is at the prompt", byAgent("aws-cli/2.31.5 md/awscrt#0.27.6"), redash, "aws-cli", "")
	f("a console session's call that tells nothing else", with(byAgent(""), func(r *athenatrail.Record) { r.FromConsole = true }), redash, "console", "")
	f("dbt's agent stays dbt", byAgent(dbtAgent), redash, "dbt", "")
	f("dbt's node", byAgent(dbtAgent), dbt, "dbt", "model.shop.orders")
	f("dbt's node, dbt below some session", bySession("etl", "dbt"), dbt, "dbt", "model.shop.orders")
	f("a note without detail leaves the agent's", byAgent(airflow), annotation.Note{Tool: "airflow"}, "airflow", "4b0f0e4e-1b7c-5a0e-8d2e-5ce0ff6ff5a1")
	f("a note with detail replaces it", byAgent(airflow), annotation.Note{Tool: "airflow", Detail: "dag web_hourly"}, "airflow", "dag web_hourly")
	f("the note's tool does not take the agent's detail", byAgent(boto+" app/etl"), annotation.Note{Tool: "redash"}, "redash", "")
	f("a user's own pattern", byAgent(boto), annotation.Note{Tool: "acme_bi", Detail: "7"}, "acme_bi", "7")
	f("no name at all", byAgent(boto), annotation.Note{Tool: "Robert'); --"}, "boto3", "")
	f("an agent over what it uses", byAgent(browser+" awslabs/mcp/athena-server/1"), redash, "ai-agent", "athena-server")
	f("an agent over its note", with(byService("aws-mcp.amazonaws.com"), func(*athenatrail.Record) {}), dbt, "ai-agent", "")
	f("an agent by its address", with(byAgent(boto), func(r *athenatrail.Record) { r.SourceIP = "aws-mcp.amazonaws.com" }), dbt, "ai-agent", "")

	f("the service over its SDK", with(byAgent(java), func(r *athenatrail.Record) { r.Identity.InvokedBy = "states.amazonaws.com" }), annotation.Note{}, "step-functions", "")
	f("the console's own servers", byAgent("[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12.488 Linux/5.10 vendor/Oracle_Corporation]"), annotation.Note{}, "console", "")
	f("boto3 with the credentials of a console session", with(byAgent(boto), func(r *athenatrail.Record) { r.FromConsole = true }), annotation.Note{}, "boto3", "")
	f("a browser in a role session with a made name", with(bySession("role_foo", "botocore-session-1111111"), func(r *athenatrail.Record) { r.UserAgent = browser }), annotation.Note{}, "console", "")
	f("a user of Identity Center called looker", bySession("AWSReservedSSO_Analyst_0123456789abcdef", "looker"), annotation.Note{}, "boto3", "")
	f("a person at a tool's maker", bySession("bi", "metabase-team@example.com"), annotation.Note{}, "boto3", "")
	f("a person whose name only begins so", bySession("bi", "lookerman"), annotation.Note{}, "boto3", "")
	f("a word of the agent that only begins so", byAgent("Airflowish/1 "+boto), annotation.Note{}, "boto3", "")
	f("a service's name in a longer one", byAgent("states.amazonaws.com.example.net"), annotation.Note{}, "unknown", "")
	f("no service at all", byAgent("/etc/.amazonaws.com"), annotation.Note{}, "unknown", "")
}

// A record without ARN has its session in principalId.
func TestSessionOfPrincipal(t *testing.T) {
	r := byAgent(boto)
	r.Identity = athenatrail.Identity{Type: "AssumedRole", PrincipalID: "AROAEXAMPLE:GlueJobRunnerSession"}
	if got := Of(r, nil); got.Name != "glue" {
		t.Error(got)
	}
	r.Identity = athenatrail.Identity{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/redash", UserName: "redash", PrincipalID: "AIDAEXAMPLE:redash"}
	if got := Of(r, nil); got.Name != "boto3" {
		t.Error(got)
	}
}

func TestWhy(t *testing.T) {
	f := func(got Tool, want string) {
		t.Helper()
		if got.Why() != want {
			t.Errorf("%s, want %s", got.Why(), want)
		}
	}
	f(Of(byAgent(boto+" PyAthena/3.17.1 dbt-athena/1.9.5"), nil), `userAgent "dbt-athena/1.9.5"`)
	f(Of(bySession("etl", "GlueJobRunnerSession"), nil), `role session "GlueJobRunnerSession"`)
	f(Of(byService("states.amazonaws.com"), nil), `service "states.amazonaws.com"`)
	f(Of(byAgent(boto), &annotation.Note{Tool: "redash", Comment: "/* Username: \x1b[2J */"}), `comment "/* Username: \x1b[2J */"`)
	f(Of(with(byAgent(""), func(r *athenatrail.Record) { r.FromConsole = true }), nil), "sessionCredentialFromConsole")
	f(Of(byAgent(""), nil), "no userAgent")
	f(Of(byAgent("Coral/Netty4"), nil), `userAgent "Coral/Netty4" is none that is known`)
	f(Of(byAgent(strings.Repeat("x", 1000)), nil), `userAgent "`+strings.Repeat("x", 256)+`..." is none that is known`)
}

// TestWanted names the tools that tool is to tell.
func TestWanted(t *testing.T) {
	for _, name := range []string{
		"console", "aws-cli", "jdbc", "odbc", "boto3", "awswrangler", "pyathena", "dbt", "airflow", "redash", "metabase",
		"superset", "looker", "grafana", "tableau", "power-bi", "quicksight", "sagemaker", "glue", "lake-formation",
		"step-functions", "terraform", "spark-notebook", "ai-agent", "sdk-go", "sdk-java", "sdk-js", "sdk-python",
		"sdk-rust", "sdk-ruby", "sdk-php", "sdk-net", "sdk-cpp", "sdk-kotlin", "sdk-swift",
		"cloudshell", "mode", "eventbridge-scheduler", "cloudformation", "dbeaver", "datagrip", "athenatrail", "aws-service",
	} {
		if !slices.ContainsFunc(table[:], func(l line) bool { return l.name == name }) {
			t.Errorf("no line tells %s", name)
		}
	}
	if n := Names(); !slices.IsSorted(n) || !slices.Contains(n, Unknown) {
		t.Error(n)
	}
}

// What every public record of Athena was sent with.
func TestCorpus(t *testing.T) {
	corpus := os.Getenv("ATHENATRAIL_CORPUS")
	if corpus == "" {
		t.Skip("ATHENATRAIL_CORPUS is not set")
	}
	want := map[string]string{
		"aws-internal/3":         "console",
		"Mozilla/5.0":            "console",
		"Boto3/1.15.2":           "boto3",
		"aws-cli/1.11.85":        "aws-cli",
		"Boto3/1.24.84":          "spark-notebook",
		"aws-sdk-nodejs/2.320.0": "lambda",
	}
	n := 0
	each(t, filepath.Join(corpus, "athena-records.jsonl"), func(number int, object map[string]any) {
		r := decode(t, object)
		first, _, _ := strings.Cut(r.UserAgent, " ")
		if got := Of(&r, nil).Name; got != want[first] {
			t.Errorf("record %d, %s: %s, want %q", number, r.UserAgent, got, want[first])
		}
		n++
	})
	if n != 15 {
		t.Errorf("%d records", n)
	}

	// What comments are known by is a name here.
	each(t, filepath.Join(corpus, "bi-comments.jsonl"), func(number int, sample map[string]any) {
		sql, _ := sample["sql"].(string)
		if note, ok := new(annotation.Patterns).Find(sql); ok && note.Tool != "" && !slices.Contains(names, note.Tool) {
			t.Errorf("comment %d: no name %q", number, note.Tool)
		}
	})

	// An identity alone tells a tool where its session does or a service
	// called.
	told := map[string]int{}
	each(t, filepath.Join(corpus, "identity-samples.jsonl"), func(_ int, identity map[string]any) {
		r := decode(t, map[string]any{
			"eventTime": "2026-05-04T08:10:11Z", "eventSource": "athena.amazonaws.com", "eventName": "StartQueryExecution", "userIdentity": identity,
		})
		told[Of(&r, nil).Name]++
	})
	// Lambda's TestFunction; CloudFormation; ec2 and secretsmanager, and twice
	// AWS Internal.
	if told["lambda"] != 1 || told["cloudformation"] != 1 || told["aws-service"] != 4 || told[Unknown] != 29 {
		t.Error(told)
	}
}

func each(t *testing.T, file string, f func(number int, object map[string]any)) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, 1<<20)
	for n := 1; scanner.Scan(); n++ {
		var object map[string]any
		if err := json.Unmarshal(scanner.Bytes(), &object); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		f(n, object)
	}
}

func decode(t *testing.T, object map[string]any) athenatrail.Record {
	t.Helper()
	canonical, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	r, err := cloudtrail.DecodeRecord(string(canonical))
	if err != nil {
		t.Fatalf("%s: %v", canonical, err)
	}
	return r
}

func FuzzOf(f *testing.F) {
	for _, l := range lines {
		id := &l.record.Identity
		f.Add(l.record.UserAgent, id.ARN, id.InvokedBy, l.record.SourceIP, id.InScopeOf.CredentialsIssuedTo, l.record.EventType, "dbt", "model.a.b")
	}
	f.Add(boto+" app/"+strings.Repeat("\u2028é\x00", 300), "", "", "", ":function:\xff\xfe", "", "redash", "\x1b\xc3")
	f.Fuzz(func(t *testing.T, agent, arn, invokedBy, ip, issuedTo, eventType, noteTool, noteDetail string) {
		r := byAgent(agent)
		r.EventType, r.SourceIP = eventType, ip
		r.Identity = athenatrail.Identity{Type: "AssumedRole", ARN: arn, PrincipalID: arn, InvokedBy: invokedBy, InScopeOf: athenatrail.InScopeOf{CredentialsIssuedTo: issuedTo}}
		note := annotation.Note{Tool: noteTool, Detail: noteDetail, Comment: agent}
		for _, n := range []*annotation.Note{nil, &note} {
			got := Of(r, n)
			if !slices.Contains(names, got.Name) && (n == nil || got.Name != noteTool || !isName(noteTool)) {
				t.Fatalf("name %q", got.Name)
			}
			if len(got.Detail) > maxDetail || !utf8.ValidString(got.Detail) || strings.ContainsFunc(got.Detail, func(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }) {
				t.Fatalf("detail %q", got.Detail)
			}
			if why := got.Why(); len(why) > 5*maxDetail || !utf8.ValidString(why) || strings.ContainsFunc(why, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("why %q", why)
			}
			if again := Of(r, n); again != got {
				t.Fatalf("%v, then %v", got, again)
			}
		}
	})
}

func TestNoAllocations(t *testing.T) {
	for _, agent := range []string{boto, browser, java, goV2, boto + " Airflow/2.11.0 AmPP/9.14.0 Caller/AthenaOperator DagRunKey/" + zeros} {
		r := bySession("etl", "botocore-session-1760000000")
		r.UserAgent = agent
		if n := testing.AllocsPerRun(100, func() { Of(r, nil) }); n != 0 {
			t.Errorf("%s: %v allocations", agent, n)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	for name, agent := range map[string]string{
		"boto3": boto, "browser": browser, "cli": "aws-cli/2.31.5 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0-45-generic md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython m/C,Z,E cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#athena.get-query-execution",
		"jdbc": java + " athena-driver-jdbc/3.6.0", "service": "quicksight.amazonaws.com", "kilobyte": strings.Repeat("aws-sdk-what/1 ", 68),
	} {
		r := bySession("etl", "botocore-session-1760000000")
		r.UserAgent = agent
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Of(r, nil)
			}
		})
	}
}
