package deploy

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail/internal/mototest"
)

const region = "us-east-1"

// unknownToMoto are the types of resources that moto's CloudFormation does not
// make. That they are right is cfn-lint's word alone.
var unknownToMoto = []string{
	"AWS::CloudFormation::StackSet", "AWS::CloudWatch::Alarm", "AWS::S3::BucketPolicy", "AWS::SNS::Subscription",
	"AWS::SQS::QueuePolicy", "AWS::Scheduler::Schedule",
}

// A stack is one that was made on moto.
type stack struct {
	endpoint string
	name     string
}

// call asks moto's CloudFormation.
func (s *stack) call(t testing.TB, action string, parameters url.Values, into any) {
	t.Helper()
	parameters.Set("Action", action)
	parameters.Set("Version", "2010-05-15")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.endpoint, strings.NewReader(parameters.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/"+region+"/cloudformation/aws4_request, SignedHeaders=host, Signature=0")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v\n%s", action, response.Status, err, body)
	}
	if into != nil {
		if err := xml.Unmarshal(body, into); err != nil {
			t.Fatal(err)
		}
	}
}

func createStack(t testing.TB, parameters map[string]string) *stack {
	t.Helper()
	s := &stack{endpoint: mototest.Start(t), name: "athenatrail"}
	putPackage(t, s.endpoint)
	v := url.Values{"StackName": {s.name}, "TemplateBody": {read(t, "cloudformation.yaml")}, "Capabilities.member.1": {"CAPABILITY_IAM"}}
	for i, key := range slices.Sorted(maps.Keys(parameters)) {
		v.Set(fmt.Sprintf("Parameters.member.%d.ParameterKey", i+1), key)
		v.Set(fmt.Sprintf("Parameters.member.%d.ParameterValue", i+1), parameters[key])
	}
	s.call(t, "CreateStack", v, nil)
	return s
}

// putPackage puts something in the package's place: moto looks whether it is
// there.
func putPackage(t testing.TB, endpoint string) {
	t.Helper()
	client := s3.NewFromConfig(mototest.Config(endpoint, region), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("code-bucket")}); err != nil {
		t.Fatal(err)
	}
	// An empty archive of zip.
	body := "PK\x05\x06" + strings.Repeat("\x00", 18)
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("code-bucket"), Key: aws.String("athenatrail/lambda.zip"), Body: strings.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
}

// resources returns the physical ids of what moto made, by logical id, and
// their types.
func (s *stack) resources(t testing.TB) (ids, types map[string]string) {
	t.Helper()
	var found struct {
		Resources []struct {
			Logical  string `xml:"LogicalResourceId"`
			Physical string `xml:"PhysicalResourceId"`
			Type     string `xml:"ResourceType"`
			Status   string `xml:"ResourceStatus"`
		} `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	s.call(t, "DescribeStackResources", url.Values{"StackName": {s.name}}, &found)
	ids, types = map[string]string{}, map[string]string{}
	for _, r := range found.Resources {
		ids[r.Logical], types[r.Logical] = r.Physical, r.Type
	}
	return ids, types
}

// A policy is a role's own, as it is compared: every member of a statement a
// list, in order.
type policy []map[string]any

// policies returns the policies of the stack's roles, by handler.
func (s *stack) policies(t testing.TB) map[string]policy {
	t.Helper()
	client := iam.NewFromConfig(mototest.Config(s.endpoint, region))
	ids, types := s.resources(t)
	all := map[string]policy{}
	for logical, role := range ids {
		if types[logical] != "AWS::IAM::Role" {
			continue
		}
		names, err := client.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: &role})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names.PolicyNames {
			out, err := client.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
			if err != nil {
				t.Fatal(err)
			}
			text, err := url.QueryUnescape(*out.PolicyDocument)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = normal(t, text)
		}
	}
	return all
}

// normal reads a policy's statements.
func normal(t testing.TB, text string) policy {
	t.Helper()
	var document struct{ Statement policy }
	if strings.HasPrefix(text, "{'") {
		// Moto keeps the policies of a stack as Python prints them.
		text = strings.NewReplacer("'", `"`, "None", "null", "True", "true", "False", "false").Replace(text)
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	// Where a condition leaves a statement out, moto leaves nothing in it.
	document.Statement = slices.DeleteFunc(document.Statement, func(s map[string]any) bool { return s == nil })
	for _, statement := range document.Statement {
		delete(statement, "Sid")
		for key, v := range statement {
			statement[key] = listed(v)
		}
	}
	slices.SortFunc(document.Statement, func(a, b map[string]any) int { return strings.Compare(jsonOf(a), jsonOf(b)) })
	return document.Statement
}

// listed makes every text a list of texts, in order.
func listed(v any) any {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var texts []string
		for _, one := range v {
			texts = append(texts, fmt.Sprint(one))
		}
		slices.Sort(texts)
		return texts
	case map[string]any:
		for key, one := range v {
			v[key] = listed(one)
		}
	}
	return v
}

func jsonOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

var (
	leastParameters = map[string]string{"CodeBucket": "code-bucket", "CodeKey": "athenatrail/lambda.zip", "S3Bucket": "usage-files"}

	allParameters = map[string]string{
		"CodeBucket": "code-bucket", "CodeKey": "athenatrail/lambda.zip", "S3Bucket": "usage-files", "TrailBucket": "trail-logs", "TrailPrefix": "prod/AWSLogs/o-exampleorgid/",
		"TrailKeyArn": "arn:aws:kms:us-east-1:123456789012:key/trail", "KeyArn": "arn:aws:kms:us-east-1:123456789012:key/lake", "LiveQueue": "true",
		"TrailTopicArn": "arn:aws:sns:us-east-1:123456789012:trail", "ConfigParameter": "/athenatrail/config", "OrganizationId": "o-exampleorgid",
		"OutputPrefix": "daily-report/", "UnitConcurrency": "50", "LimitsSchedule": "rate(10 minutes)", "AlarmEmail": "data-team@example.com",
	}
)

// TestStackOnMoto makes the stack on moto: with as little as it takes, and with
// all that it can.
func TestStackOnMoto(t *testing.T) {
	template := at(t, readYAML(t, read(t, "cloudformation.yaml")), "Resources").(map[string]any)
	for name, parameters := range map[string]map[string]string{"least": leastParameters, "all": allParameters} {
		t.Run(name, func(t *testing.T) {
			s := createStack(t, parameters)
			ids, _ := s.resources(t)
			unknown := map[string]bool{}
			for logical, r := range template {
				kind := fmt.Sprint(at(t, r, "Type"))
				conditional := at(t, r, "Condition") != nil
				switch made := ids[logical] != ""; {
				case slices.Contains(unknownToMoto, kind):
					unknown[kind] = true
				case !made && !conditional:
					t.Errorf("%s, a %s, was not made", logical, kind)
				}
			}
			for _, kind := range unknownToMoto {
				if !unknown[kind] {
					t.Errorf("the template has no %s any more", kind)
				}
			}
			if _, queue := ids["QueueFunction"]; queue != (parameters["LiveQueue"] == "true") {
				t.Errorf("the function queue was made: %v", queue)
			}
			if _, limits := ids["LimitsFunction"]; limits != (parameters["LimitsSchedule"] != "") {
				t.Errorf("the function limits was made: %v", limits)
			}
			// Every role may write to its own log, and no two may do the same.
			seen := map[string]string{}
			for handler, p := range s.policies(t) {
				text := jsonOf(p)
				if other := seen[text]; other != "" {
					t.Errorf("%s and %s may do the same", handler, other)
				}
				seen[text] = handler
				for _, statement := range p {
					for _, action := range statement["Action"].([]string) {
						if strings.Contains(action, "*") {
							t.Errorf("%s may %s", handler, action)
						}
						if slices.Contains(statement["Resource"].([]string), "*") && action != "cloudtrail:LookupEvents" && action != "organizations:ListAccounts" {
							t.Errorf("%s may %s everywhere", handler, action)
						}
					}
				}
			}
		})
	}
}

// mayNot is what no statement of a function may allow: what others are there
// for.
var mayNot = map[string][]string{
	"plan":     {"athena:", "s3:DeleteObject", "sts:", "states:", "trail-logs", "facts/", "tables/"},
	"unit":     {"athena:", "s3:DeleteObject", "sts:", "states:", "tables/", "year="},
	"derive":   {"states:", "trail-logs", "year="},
	"export":   {"athena:", "s3:DeleteObject", "sts:", "states:", "trail-logs", "_private"},
	"finish":   {"athena:", "s3:DeleteObject", "sts:", "states:", "facts/", "tables/", "trail-logs/"},
	"deadline": {"athena:", "s3:DeleteObject", "s3:PutObject", "sts:", "states:", "facts/", "tables/", "trail-logs/"},
	"start":    {"athena:", "s3:", "sts:", "kms:", "lambda:"},
	"queue":    {"states:", "year="},
	"limits":   {"athena:", `"iam:`, "s3:DeleteObject", "states:", "trail-logs/", "year=", "_private"},
}

func TestFunctionsMayDoTheirOwnOnly(t *testing.T) {
	policies := createStack(t, allParameters).policies(t)
	for handler, forbidden := range mayNot {
		if len(policies[handler]) == 0 {
			t.Errorf("%s has no policy", handler)
		}
		text := jsonOf(policies[handler])
		for _, what := range forbidden {
			if strings.Contains(text, what) {
				t.Errorf("%s may do something with %s: %s", handler, what, text)
			}
		}
	}
}

// TestWithoutATrail: where no trail is named, the functions ask LookupEvents,
// and the one that collects may.
func TestWithoutATrail(t *testing.T) {
	if leastParameters["TrailBucket"] != "" {
		t.Fatal("the least parameters name a trail")
	}
	for name, c := range map[string]struct {
		parameters map[string]string
		may        bool
	}{"without": {leastParameters, true}, "with": {allParameters, false}} {
		for handler, statements := range createStack(t, c.parameters).policies(t) {
			text := jsonOf(statements)
			if got, want := strings.Contains(text, "cloudtrail:LookupEvents"), c.may && handler == "unit"; got != want {
				t.Errorf("%s a trail, %s may call LookupEvents: %v", name, handler, got)
			}
			if c.may && (strings.Contains(text, "trail-logs") || strings.Contains(text, `arn:aws:s3:::/`)) {
				t.Errorf("%s a trail, %s may read one: %s", name, handler, text)
			}
		}
	}
	if template := read(t, "cloudformation.yaml"); strings.Count(template, "ATHENATRAIL_SOURCES: !If [HasTrail,") < len(mayNot)-1 || !strings.Contains(template, "lookup-events]") {
		t.Error("not every function is told to ask LookupEvents without a trail")
	}
}

// TestTerraformAllowsTheSame evaluates the module's policies, which needs no
// provider, and compares them with those that CloudFormation makes.
func TestTerraformAllowsTheSame(t *testing.T) {
	terraform := tool(t, "terraform", "https://developer.hashicorp.com/terraform/install")
	s := createStack(t, allParameters)
	want := s.policies(t)
	dir := t.TempDir()
	for _, name := range []string{"variables.tf", "policies.tf"} {
		text := read(t, "terraform/"+name)
		ids, _ := s.resources(t)
		arn := "arn:aws:sqs:" + region + ":" + mototest.Account + ":" + filepath.Base(ids["LogFiles"])
		text = strings.ReplaceAll(text, "aws_sqs_queue.log_files", `[{ arn = "`+arn+`" }]`)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// What the rest of the module gives these, from the provider.
	_, locals, _ := strings.Cut(read(t, "terraform/main.tf"), "  has_trail ")
	locals, _, _ = strings.Cut(locals, "\n}\n")
	_, machine, _ := strings.Cut(read(t, "terraform/functions.tf"), "  state_machine_arn = ")
	machine, _, _ = strings.Cut(machine, "\n")
	_, day, _ := strings.Cut(read(t, "terraform/main.tf"), "  day_functions = ")
	day, _, _ = strings.Cut(day, "\n}\n")
	stub := `locals {
  partition  = "aws"
  dns_suffix = "amazonaws.com"
  region     = "` + region + `"
  account    = "` + mototest.Account + `"
  functions  = { for name in ["plan", "unit", "derive", "export", "finish", "deadline", "start", "queue", "limits"] : name => name }
  state_machine_arn = ` + machine + `
  has_trail ` + locals + `
  day_functions = ` + day + `
}

output "policies" {
  value = merge({ for name, statements in local.statements : name => jsonencode({ Statement = statements }) },
    { day = jsonencode({ Statement = local.state_machine_statements }) })
}
`
	if err := os.WriteFile(filepath.Join(dir, "stub.tf"), []byte(stub), 0o644); err != nil {
		t.Fatal(err)
	}
	variables := `{"package":"x.zip","s3_bucket":"usage-files","trail_bucket":"trail-logs","trail_prefix":"prod/AWSLogs/o-exampleorgid/",
		"trail_key_arn":"arn:aws:kms:us-east-1:123456789012:key/trail","kms_key_arn":"arn:aws:kms:us-east-1:123456789012:key/lake","live_queue":true,
		"trail_topic_arn":"arn:aws:sns:us-east-1:123456789012:trail","config_parameter":"/athenatrail/config","organization_id":"o-exampleorgid","output_prefix":"daily-report/","limits_schedule":"rate(10 minutes)"}`
	if err := os.WriteFile(filepath.Join(dir, "terraform.tfvars.json"), []byte(variables), 0o644); err != nil {
		t.Fatal(err)
	}
	output(t, dir, terraform, "apply", "-auto-approve", "-no-color", "-input=false")
	var outputs struct {
		Policies struct{ Value map[string]string } `json:"policies"`
	}
	cmd := exec.Command(terraform, "output", "-json")
	cmd.Dir = dir
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &outputs); err != nil {
		t.Fatal(err)
	}
	for handler, p := range want {
		if handler == "schedules" {
			continue // it is of resources throughout
		}
		got := jsonOf(normal(t, outputs.Policies.Value[handler]))
		// Moto leaves a stack's ARNs of log groups without their end.
		if wanted := jsonOf(p); strings.ReplaceAll(got, ":*\"", "\"") != strings.ReplaceAll(wanted, ":*\"", "\"") {
			t.Errorf("%s: the module allows\n%s\nand the template\n%s", handler, got, wanted)
		}
	}
	if len(outputs.Policies.Value) != len(want)-1 {
		t.Errorf("the module has policies of %v, the template of %v", slices.Sorted(maps.Keys(outputs.Policies.Value)), slices.Sorted(maps.Keys(want)))
	}
}

// TestDeployScript runs what `make deploy` runs, with the AWS CLI, against
// moto.
func TestDeployScript(t *testing.T) {
	awscli := tool(t, "aws", "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html")
	endpoint := mototest.Start(t)
	putPackage(t, endpoint)
	dir := t.TempDir()
	zip := filepath.Join(dir, "lambda.zip")
	if err := os.WriteFile(zip, []byte("PK\x05\x06"+strings.Repeat("\x00", 18)), 0o644); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("deploy.sh")
	if err != nil {
		t.Fatal(err)
	}
	run := func(env ...string) (string, error) {
		cmd := exec.Command("sh", script)
		cmd.Env = append([]string{
			"PATH=" + filepath.Dir(awscli) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "AWS_CONFIG_FILE=" + dir + "/none", "AWS_SHARED_CREDENTIALS_FILE=" + dir + "/none",
			// Moto takes a template's place apart by that name alone.
			"AWS_ENDPOINT_URL=" + strings.Replace(endpoint, "127.0.0.1", "localhost", 1), "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		}, env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for want, env := range map[string][]string{
		"deploy: CODE_BUCKET is not set": {"LAMBDA_ZIP=" + zip},
		"deploy: S3_BUCKET is not set":   {"LAMBDA_ZIP=" + zip, "CODE_BUCKET=code-bucket"},
		"want arm64 or amd64":            {"LAMBDA_ZIP=" + zip, "CODE_BUCKET=code-bucket", "S3_BUCKET=usage-files", "LAMBDA_ARCH=mips"},
	} {
		if out, err := run(env...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v %s", env, err, out)
		}
	}
	out, err := run("LAMBDA_ZIP="+zip, "LAMBDA_ARCH=amd64", "CODE_BUCKET=code-bucket", "S3_BUCKET=usage-files", "TRAIL_BUCKET=trail-logs", "PARAMETERS=OutputType=json MaxConcurrency=12")
	if err != nil || !strings.Contains(out, "Successfully created/updated stack - athenatrail") {
		t.Fatalf("deploy.sh: %v\n%s", err, out)
	}
	s := &stack{endpoint: endpoint, name: "athenatrail"}
	if ids, _ := s.resources(t); ids["StateMachine"] == "" || ids["UnitFunction"] == "" {
		t.Errorf("the stack has %v", sorted(slices.Collect(maps.Keys(ids))))
	}
}
