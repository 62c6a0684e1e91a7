package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/athenatrail/athenatrail/internal/mototest"
)

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A tree is YAML as it was decoded: functions of CloudFormation are their
// arguments, !Ref X is X.
type tree map[string]any

func readYAML(t testing.TB, text string) tree {
	t.Helper()
	var v tree
	if err := yaml.Unmarshal([]byte(functionTag.ReplaceAllString(text, "")), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

var functionTag = regexp.MustCompile(`!(Ref|Sub|If|GetAtt|Equals|Not|And|Or|Condition|Join|Split)\b ?`)

// at follows keys and list indices.
func at(t testing.TB, v any, path ...any) any {
	t.Helper()
	for i, step := range path {
		switch step := step.(type) {
		case string:
			switch m := v.(type) {
			case tree:
				v = m[step]
			case map[string]any:
				v = m[step]
			default:
				t.Fatalf("%v: %T is no mapping", path[:i], v)
			}
		case int:
			list, ok := v.([]any)
			if !ok || step >= len(list) {
				t.Fatalf("%v: %T is no list of %d", path[:i], v, step+1)
			}
			v = list[step]
		}
	}
	return v
}

// tool returns the path of a program, in .tools or on PATH. Without it the test
// is skipped, or fails where skips are forbidden.
func tool(t testing.TB, name, how string, inTools ...string) string {
	t.Helper()
	for _, path := range inTools {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			abs, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			return abs
		}
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	message := fmt.Sprintf("no %s: %s", name, how)
	if len(inTools) > 0 && os.Getenv(mototest.ForbidSkip) == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

func output(t testing.TB, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestTemplatesAreSound(t *testing.T) {
	lint := tool(t, "cfn-lint", "scripts/install-test-servers.sh installs it with moto", "../.tools/moto/bin/cfn-lint")
	for _, name := range []string{"cloudformation.yaml", "cloudformation-reader.yaml"} {
		if out := output(t, ".", lint, "--regions", "us-east-1", "cn-north-1", "us-gov-west-1", "--template", name); out != "" {
			t.Errorf("%s:\n%s", name, out)
		}
	}
}

// TestStateMachineIsOne compares the definition in the template with that of
// the file, which Terraform takes and which the tests of the functions run.
func TestStateMachineIsOne(t *testing.T) {
	_, rest, ok := strings.Cut(read(t, "cloudformation.yaml"), "      DefinitionString: !Sub\n        - |\n")
	text, _, end := strings.Cut(rest, "        - Partition:")
	if !ok || !end {
		t.Fatal("the template has no definition where it was")
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimPrefix(line, "          "))
	}
	file := read(t, "statemachine.asl.json")
	if b.String() != file {
		t.Error("the template's DefinitionString is not statemachine.asl.json")
	}
	if !json.Valid([]byte(file)) {
		t.Error("statemachine.asl.json is no JSON")
	}
	// Every variable of the definition is set, in both.
	module := read(t, "terraform/main.tf")
	for _, name := range []string{"Partition", "Bucket", "PlanFunction", "UnitFunction", "DeriveFunction", "ExportFunction", "FinishFunction"} {
		if !strings.Contains(file, "${"+name+"}") {
			t.Errorf("the definition does not use %s", name)
		}
		if !strings.Contains(rest, "\n          "+name+": ") && !strings.Contains(rest, "        - "+name+": ") {
			t.Errorf("the template does not set %s", name)
		}
		if !strings.Contains(module, "    "+name+" ") {
			t.Errorf("the module does not set %s", name)
		}
	}
}

// What follows are the defects of the tracker's template, the other way round.
// (Its others are in cmd/athenatrail-lambda, internal/export and
// internal/lookup.)

// TestSchedulerMayStartTheStateMachine: the tracker's role trusted Lambda
// alone, and had neither of the permissions.
func TestSchedulerMayStartTheStateMachine(t *testing.T) {
	resources := at(t, readYAML(t, read(t, "cloudformation.yaml")), "Resources")
	trust := at(t, resources, "SchedulerRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0)
	if at(t, trust, "Principal", "Service") != "scheduler.amazonaws.com" {
		t.Errorf("SchedulerRole trusts %v", at(t, trust, "Principal"))
	}
	statement := at(t, resources, "SchedulerRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 0)
	if at(t, statement, "Action") != "states:StartExecution" || at(t, statement, "Resource") != "StateMachine" {
		t.Errorf("SchedulerRole may %v", statement)
	}
	target := at(t, resources, "DailyRun", "Properties", "Target")
	if at(t, target, "Arn") != "StateMachine" || at(t, target, "RoleArn") != "SchedulerRole.Arn" {
		t.Errorf("DailyRun's target is %v", target)
	}
}

// TestScheduleHasATimeZone: the tracker's 01:00 was UTC's.
func TestScheduleHasATimeZone(t *testing.T) {
	template := readYAML(t, read(t, "cloudformation.yaml"))
	for _, name := range []string{"DailyRun", "DeadlineCheck"} {
		p := at(t, template, "Resources", name, "Properties")
		if at(t, p, "ScheduleExpressionTimezone") != "TimeZone" || at(t, p, "Target", "DeadLetterConfig") == nil || at(t, p, "Target", "RetryPolicy") == nil {
			t.Errorf("%s: %v", name, p)
		}
	}
	if at(t, template, "Parameters", "TimeZone", "Default") != "America/New_York" || at(t, template, "Parameters", "DailySchedule", "Default") != "cron(0 1 * * ? *)" {
		t.Error("the default is not 01:00 in New York")
	}
}

// TestPackageLiesElsewhere: the tracker's stack needed its package in the
// bucket that it was about to make.
func TestPackageLiesElsewhere(t *testing.T) {
	resources := at(t, readYAML(t, read(t, "cloudformation.yaml")), "Resources").(map[string]any)
	functions := 0
	for name, r := range resources {
		if at(t, r, "Type") != "AWS::Lambda::Function" {
			continue
		}
		functions++
		p := at(t, r, "Properties")
		if at(t, p, "Code", "S3Bucket") != "CodeBucket" {
			t.Errorf("%s takes its package from %v", name, at(t, p, "Code"))
		}
		// The tracker took 8000 MB for each hour.
		if n, ok := at(t, p, "MemorySize").(uint64); ok && n > 2048 {
			t.Errorf("%s has %d MB", name, n)
		}
	}
	if at(t, resources, "Bucket", "Properties", "BucketName") != "S3Bucket" || functions != 9 {
		t.Errorf("%d functions", functions)
	}
}

// TestStateMachineARNIsSet: the tracker's function did not get it.
func TestStateMachineARNIsSet(t *testing.T) {
	resources := at(t, readYAML(t, read(t, "cloudformation.yaml")), "Resources")
	variables := at(t, resources, "StartFunction", "Properties", "Environment", "Variables")
	for name, want := range map[string]string{"STATE_MACHINE_ARN": "StateMachine", "S3_BUCKET": "S3Bucket", "OUTPUT_TYPE": "OutputType", "TEST_START_DATE": "TestStartDate", "TEST_END_DATE": "TestEndDate"} {
		if at(t, variables, name) != want {
			t.Errorf("%s is %v", name, at(t, variables, name))
		}
	}
}

// TestParametersAreChecked: a wrong value is refused before anything is made,
// with what is wanted.
func TestParametersAreChecked(t *testing.T) {
	for _, name := range []string{"cloudformation.yaml", "cloudformation-reader.yaml"} {
		for parameter, p := range at(t, readYAML(t, read(t, name)), "Parameters").(map[string]any) {
			free := at(t, p, "AllowedPattern") == nil && at(t, p, "AllowedValues") == nil && at(t, p, "MinValue") == nil
			if free || at(t, p, "Description") == nil || at(t, p, "AllowedPattern") != nil && at(t, p, "ConstraintDescription") == nil {
				t.Errorf("%s: %s: %v", name, parameter, p)
			}
		}
	}
}

func TestSystemd(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "it comes with systemd")
	// The program need not be installed for that.
	dir := t.TempDir()
	service := strings.ReplaceAll(read(t, "systemd/athenatrail.service"), "/usr/local/bin/athenatrail", "/bin/true")
	for name, text := range map[string]string{"athenatrail.service": service, "athenatrail.timer": read(t, "systemd/athenatrail.timer")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out := output(t, dir, analyze, "verify", "--man=no", filepath.Join(dir, "athenatrail.service"), filepath.Join(dir, "athenatrail.timer")); strings.Contains(out, dir) {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
}

func TestKubernetes(t *testing.T) {
	kinds := map[string]tree{}
	for part := range strings.SplitSeq(read(t, "kubernetes/cronjob.yaml"), "\n---\n") {
		v := readYAML(t, part)
		kinds[fmt.Sprint(v["kind"])] = v
	}
	job := at(t, kinds["CronJob"], "spec")
	if at(t, job, "timeZone") != "America/New_York" || at(t, job, "concurrencyPolicy") != "Forbid" {
		t.Errorf("CronJob: %v", job)
	}
	pod := at(t, job, "jobTemplate", "spec", "template", "spec")
	container := at(t, pod, "containers", 0)
	for what, got := range map[string]any{
		"runs as root":          at(t, pod, "securityContext", "runAsNonRoot") != true,
		"has a token":           at(t, pod, "automountServiceAccountToken") != false,
		"may gain privileges":   at(t, container, "securityContext", "allowPrivilegeEscalation") != false,
		"may write its image":   at(t, container, "securityContext", "readOnlyRootFilesystem") != true,
		"has capabilities":      fmt.Sprint(at(t, container, "securityContext", "capabilities", "drop")) != "[ALL]",
		"has no memory limit":   at(t, container, "resources", "limits", "memory") == nil,
		"has no seccomp filter": at(t, pod, "securityContext", "seccompProfile", "type") != "RuntimeDefault",
	} {
		if got == true {
			t.Errorf("the pod %s", what)
		}
	}
}

func TestImage(t *testing.T) {
	var from []string
	user := ""
	for line := range strings.Lines(read(t, "Dockerfile")) {
		if image, ok := strings.CutPrefix(line, "FROM "); ok {
			from = append(from, strings.Fields(image)[0])
		}
		if name, ok := strings.CutPrefix(line, "USER "); ok {
			user = strings.TrimSpace(name)
		}
	}
	if len(from) != 2 || !strings.HasPrefix(from[1], "gcr.io/distroless/") || !strings.HasSuffix(from[1], ":nonroot") || user != "nonroot:nonroot" {
		t.Errorf("images %v, user %q", from, user)
	}
	// The image's Go is that of go.mod.
	version := ""
	for line := range strings.Lines(read(t, "../go.mod")) {
		if v, ok := strings.CutPrefix(line, "go "); ok {
			version = strings.Join(strings.Split(strings.TrimSpace(v), ".")[:2], ".")
		}
	}
	if !strings.HasPrefix(from[0], "golang:"+version+"-") {
		t.Errorf("%s, and go.mod says %s", from[0], version)
	}
}

func TestTerraformIsFormatted(t *testing.T) {
	terraform := tool(t, "terraform", "https://developer.hashicorp.com/terraform/install")
	var stderr bytes.Buffer
	cmd := exec.Command(terraform, "fmt", "-check", "-recursive", "-list=true", "terraform")
	cmd.Stderr = &stderr
	if out, err := cmd.Output(); err != nil && !errors.As(err, new(*exec.ExitError)) || len(out) > 0 {
		t.Errorf("terraform fmt: %v: %s%s", err, out, stderr.String())
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
