package identity

import (
	"slices"
	"strings"
)

// Role session names that no person chose for themselves. The name of a role
// session is free text; what is in none of these tables is taken for a
// person's.

// says is what a made name tells of its session.
type says int

const (
	nothing says = iota // anybody may be behind it
	machine             // a program made the session for itself
)

// A made is what made a session's name. The zero value is a person.
type made struct {
	maker string // as in "the session's name is ..."
	says  says
}

// A class is what may follow a name's prefix.
type class int

const (
	end       class = iota // nothing
	digits                 // decimal digits
	hexDigits              // hexadecimal digits, with at least one from 0 to 9
	uuid                   // hexadecimal digits in the form 8-4-4-4-12
	uuidTail               // anything that ends with a uuid
	anything               // anything, also nothing
)

// madeNames are the names that tools make by a pattern, tried in this order.
// Prefixes are compared without case. The comments say what each rests on:
// D documented, R read in records or in the tool's source, B believed.
var madeNames = []struct {
	maker  string
	prefix string
	rest   class
	least  int // the rest has at least so many characters
	says   says
}{
	// AWS's SDKs when nobody names the session.
	{"botocore's default", "botocore-session-", digits, 1, machine},             // R botocore credentials.py; nickdelnano sample
	{"the Go SDK's default", "aws-go-sdk-", digits, 1, machine},                 // R aws-sdk-go-v2 stscreds
	{"the Java SDK's default", "aws-sdk-java-", anything, 0, machine},           // R aws-sdk-java-v2
	{"the JavaScript SDK's default", "aws-sdk-js-", anything, 0, machine},       // R aws-sdk-js-v3: -<ms>, -session-<ms>
	{"the PHP SDK's default", "aws-sdk-php-", anything, 0, machine},             // R aws-sdk-php
	{"the Kotlin SDK's default", "aws-sdk-kotlin-", anything, 0, machine},       // B
	{"the C++ SDK's default", "aws-sdk-cpp-", anything, 0, machine},             // B
	{"the .NET SDK's default", "aws-dotnet-sdk-session-", anything, 0, machine}, // R aws-sdk-net
	{"the Rust SDK's default", "assume-role-from-profile-", digits, 1, machine}, // B
	{"the Rust SDK's default", "web-identity-token-", digits, 1, machine},       // B
	{"the Ruby SDK's default", "default_session", end, 0, machine},              // B
	{"an AWS CLI's default", "aws-cli-session-", anything, 0, machine},          // B
	{"an AWS CLI's default", "awscli-session", anything, 0, machine},            // D in AWS's own examples

	// Compute that AWS runs.
	{"an EC2 instance's id", "i-", hexDigits, 8, machine},                    // D IAM User Guide
	{"a managed instance's id", "mi-", hexDigits, 8, machine},                // B hybrid activations
	{"an EKS pod's", "eks-", uuidTail, 36, machine},                          // D EKS Pod Identity
	{"an AWS Glue job's", "GlueJobRunnerSession", anything, 0, machine},      // R records
	{"an AWS Glue crawler's", "AWS-Crawler", anything, 0, machine},           // B
	{"Amazon SageMaker's", "SageMaker", anything, 0, machine},                // R records
	{"an Athena Spark session's", "AthenaExecutor-", anything, 0, machine},   // D Athena User Guide, notebooks
	{"AWS Lake Formation's", "AWSLF-", anything, 0, machine},                 // R records, AWSLF-00-AT-...
	{"Amazon QuickSight's", "QuickSight-RoleSession-", anything, 0, machine}, // R records, 13 digits
	{"Amazon Redshift's", "RedshiftIamRoleSession", anything, 0, machine},    // B
	{"AWS CodeBuild's", "AWSCodeBuild", anything, 0, machine},                // D
	{"AWS CloudFormation's", "AWSCloudFormation", anything, 0, machine},      // D
	{"the AWS CDK's", "aws-cdk-", anything, 0, machine},                      // R aws-cdk
	{"AWS DMS's", "dms-session-", anything, 0, machine},                      // B
	{"Amazon EMR's", "EMR-", anything, 0, machine},                           // B

	// Build services and credential helpers.
	{"GitHub Actions'", "GitHubActions", anything, 0, machine},  // R aws-actions/configure-aws-credentials
	{"GitLab CI's", "GitLabRunner", anything, 0, machine},       // D GitLab
	{"HCP Terraform's", "terraform-run-", anything, 0, machine}, // D HashiCorp
	{"HashiCorp Vault's", "vault-", anything, 0, machine},       // R vault, secrets/aws
	{"granted's", "gntd-", anything, 0, machine},                // R issues
	{"Trino's", "trino-session", anything, 0, machine},          // B
	{"Power BI's", "power-bi", anything, 0, machine},            // B, as powerbi in toolWords
	{"Power BI's", "power_bi", anything, 0, machine},            // B

	// Numbers. aws-vault and the first Go SDK name sessions by the clock, ECS
	// and CloudFormation by an id. Twelve digits and letters from a to f with a
	// digit among them are no one's name; "ada" and "facade" may be.
	{"a number", "", digits, 1, machine},  // R aws-vault, aws-sdk-go
	{"an id", "", uuid, 36, machine},      // R records of CloudFormation
	{"an id", "", hexDigits, 12, machine}, // B the ECS task's, 32 digits
}

// toolWords are names of BI, pipeline and build tools. A session whose name has
// one of them as a word is the tool's.
var toolWords = []string{
	// BI and notebooks
	"redash", "metabase", "superset", "lightdash", "lookml", "tableau", "powerbi", "quicksight", "grafana", "qlik", "thoughtspot",
	"sisense", "dataiku", "databricks", "sagemaker",
	// pipelines
	"airflow", "mwaa", "dbt", "dagster", "fivetran", "airbyte", "matillion", "informatica", "talend", "hightouch",
	"nifi", "kestra", "awswrangler", "snowflake",
	// catalogs and observers
	"datahub", "openmetadata", "amundsen", "alation", "collibra", "datadog", "splunk", "steampipe", "athenatrail",
	// build and infrastructure
	"terraform", "pulumi", "ansible", "gitlab", "github", "circleci", "buildkite", "argocd", "spinnaker", "teamcity",
	"cloudformation", "codebuild",
}

// serviceWords say of a session's name that a program has it.
var serviceWords = []string{
	"svc", "serviceaccount", "etl", "elt", "pipeline", "pipelines", "cron", "cronjob", "scheduler", "bot", "ci", "cicd",
	"automation", "ingest", "ingestion", "crawler",
}

// surnameWords are tools and jobs that people are called after too. They count
// only among words that name nobody.
var surnameWords = []string{"jenkins", "looker", "presto", "trino", "prefect", "bamboo", "batch", "worker"}

// placeWords name nobody, and alone no tool either.
var placeWords = []string{
	"prod", "production", "prd", "stage", "staging", "stg", "dev", "test", "qa", "uat", "int", "main", "aws", "athena",
	"data", "analytics", "build", "deploy", "server", "service", "role", "user", "session", "nightly", "daily", "hourly",
	"job", "task", "report", "reports", "eu", "us", "ap",
}

// emptyNames are what examples and forms fill in, compared without case: they
// name nobody, and no machine either.
var emptyNames = []string{
	"session", "session1", "mysession", "my-session", "mysessionname", "my-session-name", "test-session", "testsession",
	"rolesession", "role-session", "rolesessionname", "role-session-name", "assumerole", "assume-role",
	"assumerolesession", "assume-role-session", "assumedrole", "assumedrolesession", "assumedrolesessionname",
	"default", "none", "null", "undefined", "unknown", "temp", "tmp", "test", "cli", "aws-cli", "boto3", "session-name",
}

// madeName returns what made a session's name; the zero value where it may be
// a person's.
func madeName(name string) made {
	for i := range madeNames {
		m := &madeNames[i]
		if rest, ok := cutPrefixFold(name, m.prefix); ok && len(rest) >= m.least && m.rest.holds(rest) {
			return made{m.maker, m.says}
		}
	}
	name = lower(name)
	if slices.Contains(emptyNames, name) {
		return made{"a placeholder", nothing}
	}
	local, _, isEmail := strings.Cut(name, "@")
	someTool, onlyTools := false, true
	for word := range words(local) {
		switch wordKinds[word] {
		case toolWord:
			someTool = true
			if !isEmail {
				return made{"a tool's", machine}
			}
		case surnameWord:
			someTool = true
		case placeWord:
		default:
			onlyTools = onlyTools && only(word, isDigit)
		}
	}
	// Of an address every word must be a tool's: people work at metabase.com.
	if someTool && onlyTools {
		return made{"a tool's", machine}
	}
	return made{}
}

type wordKind int

const (
	otherWord wordKind = iota
	toolWord
	surnameWord
	placeWord
)

var wordKinds = func() map[string]wordKind {
	m := map[string]wordKind{}
	for _, l := range []struct {
		kind  wordKind
		words []string
	}{{toolWord, toolWords}, {toolWord, serviceWords}, {surnameWord, surnameWords}, {placeWord, placeWords}} {
		for _, w := range l.words {
			m[w] = l.kind
		}
	}
	return m
}()

// holds reports whether rest is of the class.
func (c class) holds(rest string) bool {
	switch c {
	case end:
		return rest == ""
	case digits:
		return only(rest, isDigit)
	case hexDigits:
		return only(rest, isHex) && strings.ContainsAny(rest, "0123456789")
	case uuid:
		return isUUID(rest)
	case uuidTail:
		return len(rest) >= 36 && isUUID(rest[len(rest)-36:])
	}
	return true
}

// DefaultSharedPrincipals returns the patterns for IAM users that are shared
// by many people or are nobody's own: names that speak of BI and pipeline
// tools. Words that short names or surnames may hold count only where a hyphen
// or an underscore sets them apart.
func DefaultSharedPrincipals() []string {
	var patterns []string
	for _, w := range toolWords {
		if len(w) < 6 {
			patterns = append(patterns, w, w+"-*", w+"_*", "*-"+w, "*_"+w)
		} else {
			patterns = append(patterns, "*"+w+"*")
		}
	}
	for _, w := range append([]string{"bi", "service", "app", "api"}, serviceWords...) {
		patterns = append(patterns, w, w+"-*", w+"_*", "*-"+w, "*_"+w)
	}
	for _, w := range surnameWords {
		patterns = append(patterns, w, w+"-*", w+"_*")
	}
	return patterns
}
