package enforce

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/limit"
)

const (
	reserved = "AWSReservedSSO_Analyst_0123456789abcdef"
	blockARN = "arn:aws:iam::" + account + ":policy/" + limit.BlockPolicy
)

// managed returns the default version of the policy that permission sets
// reference, and how many versions there are.
func (w *world) managed() (doc string, versions int) {
	w.Helper()
	found, err := w.iam.GetPolicy(w.Context(), &iam.GetPolicyInput{PolicyArn: aws.String(blockARN)})
	if err != nil {
		w.Fatal(err)
	}
	version, err := w.iam.GetPolicyVersion(w.Context(), &iam.GetPolicyVersionInput{PolicyArn: aws.String(blockARN), VersionId: found.Policy.DefaultVersionId})
	if err != nil {
		w.Fatal(err)
	}
	list, err := w.iam.ListPolicyVersions(w.Context(), &iam.ListPolicyVersionsInput{PolicyArn: aws.String(blockARN)})
	if err != nil {
		w.Fatal(err)
	}
	doc, err = unescape(*version.PolicyVersion.Document)
	if err != nil {
		w.Fatal(err)
	}
	return doc, len(list.Versions)
}

// TestPermissionSets: a role of Identity Center is not written. Where its
// account has no policy, or the permission set does not reference it, nobody is
// blocked and it says so; where it does, its versions block.
func TestPermissionSets(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: block")).withIAM(reserved)
	w.query("q1", w.who("rosa@example.com", assumed(reserved, "rosa@example.com")), time.Hour, 200e9, false)
	w.says(w.apply(), "block "+blockARN+" session rosa@example.com skipped the role of a permission set cannot be written, and account 123456789012 has no policy athenatrail-block", "notify done")
	w.says(w.apply())

	nothing, err := (&document{version: policyVersion}).kept()
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String(limit.BlockPolicy), PolicyDocument: &nothing}))
	w.now = w.now.Add(time.Hour)
	w.says(w.apply(), "block "+blockARN+" session rosa@example.com skipped the permission set of "+reserved+" does not reference")

	w.must(w.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String(reserved), PolicyArn: aws.String(blockARN)}))
	w.now = w.now.Add(time.Hour)
	w.says(w.apply(), "block "+blockARN+" session rosa@example.com done")
	doc, _ := w.managed()
	if w.may(doc, "rosa@example.com", w.now) || !w.may(doc, "ines@example.com", w.now) {
		t.Errorf("the policy does not deny rosa alone: %s", doc)
	}

	// Others follow, one at a time: of the versions five are kept, and nobody
	// is forgotten.
	for i := range 7 {
		name := fmt.Sprintf("person-%d@example.com", i)
		w.query(fmt.Sprint("p", i), w.who(name, assumed(reserved, name)), time.Minute, 200e9, false)
		w.says(w.apply(), "block", "notify done")
	}
	doc, versions := w.managed()
	if versions != maxVersions {
		t.Errorf("%d versions", versions)
	}
	for _, name := range []string{"rosa@example.com", "person-0@example.com", "person-6@example.com"} {
		if w.may(doc, name, w.now) {
			t.Errorf("%s is not blocked: %s", name, doc)
		}
	}
	out, err := w.iam.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: aws.String(reserved)})
	if err != nil || len(out.PolicyNames) > 0 {
		t.Errorf("the role has inline policies %v, %v", out.PolicyNames, err)
	}

	w.now = noon.Truncate(24*time.Hour).AddDate(0, 0, 1).Add(time.Minute)
	for _, a := range w.apply().Done {
		if a.Action != athenatrail.ActLift || a.Outcome != athenatrail.OutcomeDone {
			t.Errorf("%s %s %s", a.Action, a.Outcome, a.Message)
		}
	}
	if doc, _ := w.managed(); strings.Contains(doc, "person-") || !strings.Contains(doc, nothingSid) {
		t.Errorf("after the day: %s", doc)
	}
}

// kept returns the text of a managed policy that blocks nobody.
func (d *document) kept() (string, error) {
	d.keep()
	return d.text()
}

// TestUsers blocks an IAM user, and no user whose policies have no room.
func TestUsers(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: block")).withIAM("user/rosa", "user/full")
	large := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::` + strings.Repeat("x", 1700) + `"}]}`
	w.must(w.iam.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("full"), PolicyName: aws.String("large"), PolicyDocument: &large}))
	w.query("q1", w.who("rosa", "arn:aws:iam::"+account+":user/teams/rosa"), time.Hour, 200e9, false)
	w.query("q2", w.who("full", "arn:aws:iam::"+account+":user/full"), time.Hour, 200e9, false)
	w.query("q3", w.who("gone", "arn:aws:iam::"+account+":user/gone"), time.Hour, 200e9, false)
	w.says(w.apply(),
		"block arn:aws:iam::123456789012:user/full skipped no room: the inline policies of user full would have",
		"block arn:aws:iam::123456789012:user/gone skipped there is no user gone any more",
		"block arn:aws:iam::123456789012:user/teams/rosa done", "notify done", "notify done", "notify done")
	policy := w.inline("user/rosa")
	c := by("athena:StartQueryExecution", "AIDAEXAMPLEUSER00001", w.now)
	if allowed(t, c, everything, policy) {
		t.Errorf("the user is not blocked: %s", policy)
	}
	c.keys["aws:currenttime"] = "2026-11-04T00:00:00Z"
	if !allowed(t, c, everything, policy) {
		t.Errorf("the user is blocked after the end: %s", policy)
	}
}

// TestRoleWithoutRoom looks at all inline policies of a role together.
func TestRoleWithoutRoom(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: block")).withIAM("Analyst")
	large := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::` + strings.Repeat("x", 5000) + `"}]}`
	for _, name := range []string{"one", "two"} {
		w.must(w.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("Analyst"), PolicyName: &name, PolicyDocument: &large}))
	}
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 200e9, false)
	w.says(w.apply(), "block arn:aws:iam::123456789012:role/Analyst session rosa skipped no room: the inline policies of role Analyst would have 10", "notify done")
}

// group returns the settings of the work group.
func (w *world) group() (state string, cutoff int64) {
	w.Helper()
	g, err := newCaller(w.options().Config).workGroup(w.Context(), account, region, "analysts")
	if err != nil {
		w.Fatal(err)
	}
	return g.State, g.Cutoff
}

// groupLimit is a limit of a work group.
func groupLimit(name string, thresholds ...string) limit.Definition {
	d := limit.Definition{Name: name, Per: "work_group", Measure: "scanned_bytes", Window: "day", Amount: "100 GB", Mode: "enforce", Thresholds: thresholds}
	if strings.Contains(strings.Join(thresholds, " "), "cutoff") {
		d.Cutoff = "20 GB"
	}
	return d
}

// TestWorkGroups: a work group is cut off, then disabled, and put back as it was
// when it is no longer over.
func TestWorkGroups(t *testing.T) {
	w := newWorld(t, groupLimit("group-day", "80%: cutoff", "100%: block"))
	w.groups = []athenaapitest.WorkGroup{{Name: "analysts", BytesScannedCutoff: 50e9}}
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	w.query("q1", rosa, time.Hour, 90e9, false)
	w.says(w.apply(), "work_group_cutoff arn:aws:athena:eu-west-1:123456789012:workgroup/analysts done BytesScannedCutoffPerQuery 20000000000, was 50000000000", "notify done")
	if state, cutoff := w.group(); state != "ENABLED" || cutoff != 20e9 {
		t.Errorf("%s, cut off at %d", state, cutoff)
	}
	w.says(w.apply())
	w.query("q2", rosa, time.Minute, 90e9, false)
	w.says(w.apply(), "work_group_state arn:aws:athena:eu-west-1:123456789012:workgroup/analysts done", "notify done")
	if state, _ := w.group(); state != "DISABLED" {
		t.Errorf("the work group is %s", state)
	}
	w.now = noon.Truncate(24*time.Hour).AddDate(0, 0, 1).Add(5 * time.Minute)
	r := w.apply()
	if len(r.Done) != 2 || r.Failed() > 0 {
		t.Errorf("done %+v", r.Done)
	}
	if state, cutoff := w.group(); state != "ENABLED" || cutoff != 50e9 {
		t.Errorf("put back to %s, cut off at %d", state, cutoff)
	}
	w.says(w.apply())
}

// TestWorkGroupsOfOthers: what somebody else set is not undone, and two limits
// on one work group do not take each other's change for how it was.
func TestWorkGroupsOfOthers(t *testing.T) {
	w := newWorld(t, groupLimit("one", "100%: block"), groupLimit("two", "150%: block", "100%: cutoff"))
	w.groups = []athenaapitest.WorkGroup{{Name: "analysts"}}
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	w.query("q1", rosa, time.Hour, 120e9, false)
	w.says(w.apply(), "work_group_state", "work_group_cutoff", "notify", "notify")
	w.query("q2", rosa, time.Minute, 60e9, false)
	w.says(w.apply(), "work_group_state arn:aws:athena:eu-west-1:123456789012:workgroup/analysts done limit one had disabled it already", "notify done")

	// The first is gone: the other keeps the work group disabled.
	w.definitions = w.definitions[1:]
	w.says(w.apply(), "lift arn:aws:athena:eu-west-1:123456789012:workgroup/analysts skipped the limit is gone from the configuration limit two keeps it so")
	if state, _ := w.group(); state != "DISABLED" {
		t.Errorf("the work group is %s", state)
	}
	// Somebody sets a cutoff of their own: it is left, and the state put back.
	if err := newCaller(w.options().Config).setWorkGroup(t.Context(), account, region, "analysts", "", 30e9); err != nil {
		t.Fatal(err)
	}
	w.definitions[0].Mode = "observe"
	r := w.apply()
	if len(r.Done) != 2 || r.Failed() > 0 {
		t.Errorf("done %+v", r.Done)
	}
	if state, cutoff := w.group(); state != "ENABLED" || cutoff != 30e9 {
		t.Errorf("put back to %s, cut off at %d", state, cutoff)
	}
}

// TestDisabledByOthers leaves alone what was disabled before.
func TestDisabledByOthers(t *testing.T) {
	w := newWorld(t, groupLimit("one", "100%: block", "100%: cutoff"))
	w.groups = []athenaapitest.WorkGroup{{Name: "analysts", State: "DISABLED", BytesScannedCutoff: 15e6}}
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 120e9, false)
	w.says(w.apply(),
		"work_group_cutoff arn:aws:athena:eu-west-1:123456789012:workgroup/analysts skipped its queries are cut off at 15000000 bytes already",
		"work_group_state arn:aws:athena:eu-west-1:123456789012:workgroup/analysts skipped it was disabled already, by somebody else", "notify done", "notify done")
	w.now = noon.Truncate(24*time.Hour).AddDate(0, 0, 1).Add(5 * time.Minute)
	w.says(w.apply())
	if state, cutoff := w.group(); state != "DISABLED" || cutoff != 15e6 {
		t.Errorf("%s, cut off at %d", state, cutoff)
	}
}

// TestKilledWithAWorkGroup: a run that died after its call does not make the
// next take what it did for how the work group was.
func TestKilledWithAWorkGroup(t *testing.T) {
	w := newWorld(t, groupLimit("one", "100%: block"))
	w.groups = []athenaapitest.WorkGroup{{Name: "analysts"}, {Name: "other"}}
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	w.query("q1", rosa, time.Hour, 120e9, false)
	w.query("q2", rosa, time.Hour, 110e9, false).WorkGroupName = "other"
	o := w.options()
	answer, calls := o.Config, 0
	o.Config = func(ctx context.Context, account, region string) (aws.Config, error) {
		if calls++; calls == 3 { // the first work group was read and changed
			panic("killed")
		}
		return answer(ctx, account, region)
	}
	func() {
		defer func() { recover() }()
		Apply(t.Context(), o)
	}()
	if state, _ := w.group(); state != "DISABLED" {
		t.Fatalf("the work group is %s", state)
	}
	w.now = w.now.Add(3 * time.Minute)
	w.says(w.apply(), "work_group_state arn:aws:athena:eu-west-1:123456789012:workgroup/analysts done",
		"work_group_state arn:aws:athena:eu-west-1:123456789012:workgroup/other done", "notify done", "notify done")
	w.now = noon.Truncate(24*time.Hour).AddDate(0, 0, 1).Add(5 * time.Minute)
	if r := w.apply(); len(r.Done) != 2 || r.Failed() > 0 {
		t.Errorf("done %+v", r.Done)
	}
	if state, _ := w.group(); state != "ENABLED" {
		t.Errorf("put back to %s", state)
	}
}

// TestPolicyIsWhatIsCalled does all that limits can do, and compares what was
// called with what limits policy permits: no more, and no less.
func TestPolicyIsWhatIsCalled(t *testing.T) {
	d := people("enforce", "100%: stop", "120%: block")
	d.Measure, d.Amount = "cost", "1 USD"
	w := newWorld(t, d, groupLimit("group", "80%: cutoff", "100%: block")).withIAM("Analyst", "user/rosa", reserved)
	w.groups = []athenaapitest.WorkGroup{{Name: "analysts"}}
	nothing, err := (&document{version: policyVersion}).kept()
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String(limit.BlockPolicy), PolicyDocument: &nothing}))
	w.must(w.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String(reserved), PolicyArn: aws.String(blockARN)}))
	other := everything
	w.must(w.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("Analyst"), PolicyName: aws.String("other"), PolicyDocument: &other}))
	w.must(w.iam.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("rosa"), PolicyName: aws.String("other"), PolicyDocument: &other}))
	for i, who := range []athenatrail.Who{w.who("ines", assumed("Analyst", "ines")), w.who("rosa", "arn:aws:iam::"+account+":user/rosa"), w.who("paul", assumed(reserved, "paul"))} {
		w.query(fmt.Sprint("done", i), who, time.Hour, 400e9, false)
		w.query(fmt.Sprint("runs", i), who, time.Minute, 1, true)
		w.session(fmt.Sprint("session", i), who, time.Minute, 1)
	}
	if r := w.apply(); r.Failed() > 0 {
		t.Fatalf("%+v", r.Done)
	}
	for i := range 4 { // until a version of the policy has to go
		name := fmt.Sprint("person", i)
		w.query(name, w.who(name, assumed(reserved, name)), time.Minute, 400e9, false)
		w.apply()
	}
	o := w.options()
	policy, _ := o.Limits.Policy("aws")
	w.definitions = nil
	if r := w.apply(); r.Failed() > 0 {
		t.Fatalf("%+v", r.Done)
	}
	permitted := map[string]bool{}
	for _, s := range policy.Statement {
		for _, action := range s.Action {
			permitted[action] = true
		}
	}
	w.called.Range(func(action, _ any) bool {
		if !permitted[action.(string)] {
			t.Errorf("%s is called, and the policy does not permit it", action)
		}
		delete(permitted, action.(string))
		return true
	})
	for action := range permitted {
		t.Errorf("%s is permitted, and never called", action)
	}
}
