package awsconn

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const policies = "../../deploy/policy"

// known are the IAM actions that a policy may allow, from AWS's Service
// Authorization Reference. A new one is a decision, and belongs here too.
var known = []string{
	"athena:BatchGetQueryExecution", "athena:GetCalculationExecution", "athena:GetSession", "athena:GetWorkGroup", "athena:ListQueryExecutions", "athena:ListTagsForResource", "athena:ListWorkGroups",
	"cloudtrail:ListPublicKeys", "cloudtrail:LookupEvents",
	"glue:GetDatabases", "glue:GetTables",
	"identitystore:DescribeUser",
	"kms:Decrypt", "kms:GenerateDataKey",
	"lakeformation:ListPermissions",
	"organizations:ListAccounts", "organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent", "organizations:ListRoots",
	"s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject",
	"sns:Publish",
	"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
	"ssm:GetParameter",
	"sts:AssumeRole",
}

// knownIn are those that one policy alone may name: limits that act, and
// who lets Athena run statements.
var knownIn = map[string][]string{
	"limits.json": {
		"athena:StopQueryExecution", "athena:TerminateSession", "athena:UpdateWorkGroup",
		"iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:DeleteRolePolicy", "iam:DeleteUserPolicy", "iam:GetPolicy", "iam:GetPolicyVersion",
		"iam:GetRolePolicy", "iam:GetUserPolicy", "iam:ListAttachedRolePolicies", "iam:ListPolicyVersions", "iam:ListRolePolicies", "iam:ListUserPolicies",
		"iam:PutRolePolicy", "iam:PutUserPolicy",
	},
	"collect-athena.json": {
		"athena:GetQueryExecution", "athena:StartQueryExecution", "athena:StopQueryExecution",
		"glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable",
		"s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts",
	},
	"system-table.json": {
		"athena:GetQueryExecution", "athena:GetQueryResults", "athena:StartQueryExecution", "athena:StopQueryExecution",
		"glue:GetCatalog", "glue:GetDatabase", "glue:GetTable",
		"s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts",
		"s3tables:GetTable", "s3tables:GetTableData", "s3tables:GetTableMetadataLocation",
	},
	"engine-athena.json": {
		"athena:GetQueryExecution", "athena:GetQueryResults", "athena:StartQueryExecution", "athena:StopQueryExecution",
		"glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable",
		"s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts",
	},
}

// oneOrMore is a JSON text, or a list of them.
type oneOrMore []string

// unlimited are the actions that AWS lets nobody limit to a resource.
var unlimited = []string{"cloudtrail:ListPublicKeys", "cloudtrail:LookupEvents", "lakeformation:ListPermissions", "athena:ListWorkGroups", "organizations:ListAccounts", "organizations:ListRoots"}

func (o *oneOrMore) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(o))
}

type policy struct {
	Version   string
	Statement []struct {
		Sid, Effect      string
		Action, Resource oneOrMore
		Principal        map[string]oneOrMore
		Condition        map[string]map[string]oneOrMore
	}
}

func readPolicies(t *testing.T) map[string]policy {
	t.Helper()
	files, err := filepath.Glob(policies + "/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	all := map[string]policy{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p policy
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = p
	}
	return all
}

func TestPoliciesAllowNoMoreThanNamedActions(t *testing.T) {
	sid := regexp.MustCompile(`^[A-Za-z0-9]+$`)
	for name, p := range readPolicies(t) {
		if p.Version != "2012-10-17" || len(p.Statement) == 0 {
			t.Errorf("%s: version %q, %d statements", name, p.Version, len(p.Statement))
		}
		for _, s := range p.Statement {
			if s.Effect != "Allow" && s.Effect != "Deny" || !sid.MatchString(s.Sid) || len(s.Action) == 0 {
				t.Errorf("%s: %+v", name, s)
			}
			for _, a := range s.Action {
				if !slices.Contains(known, a) && !slices.Contains(knownIn[name], a) {
					t.Errorf("%s: %s: action %q is not among the known ones", name, s.Sid, a)
				}
			}
			all := slices.Contains(s.Resource, "*") && slices.ContainsFunc(s.Action, func(a string) bool { return !slices.Contains(unlimited, a) })
			if all || len(s.Resource) == 0 && len(s.Principal) == 0 {
				t.Errorf("%s: %s: resource %q", name, s.Sid, s.Resource)
			}
			if slices.Contains(s.Principal["AWS"], "*") {
				t.Errorf("%s: %s lets everybody in", name, s.Sid)
			}
		}
	}
}

// What an error tells the reader to attach must be there, and allow what the
// error is about.
func TestHintsNamePoliciesThatAllowTheAction(t *testing.T) {
	all := readPolicies(t)
	for operation, a := range actions {
		p, ok := all[a.policy]
		allows := false
		for _, s := range p.Statement {
			allows = allows || s.Effect == "Allow" && slices.Contains(s.Action, a.name)
		}
		if !ok || !allows {
			t.Errorf("%s: %s does not allow %s", operation, a.policy, a.name)
		}
	}
}

func TestPolicyREADME(t *testing.T) {
	data, err := os.ReadFile(policies + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(data)
	placeholder := regexp.MustCompile(`\b[A-Z]+(_[A-Z]+)+`)
	for name := range readPolicies(t) {
		if !strings.Contains(readme, "| "+name+" |") {
			t.Errorf("README.md does not list %s", name)
		}
		text, err := os.ReadFile(filepath.Join(policies, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range placeholder.FindAllString(string(text), -1) {
			if !strings.Contains(readme, word) {
				t.Errorf("README.md does not explain %s of %s", word, name)
			}
		}
	}
}
