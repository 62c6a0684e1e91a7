package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/mototest"
)

// A limitsDay is an account in which somebody comes to their limit while the
// real program looks: a trail, Athena on loopback, moto's IAM and a webhook.
type limitsDay struct {
	*testing.T
	now         time.Time
	trail, lake string
	config      string // file
	env         []string

	api   *athenaapitest.Server
	iam   *iam.Client
	place string // of IAM
	hook  string // URL
	days  int    // begun anew

	mu       sync.Mutex
	queries  map[string]athenaapitest.Execution
	messages []string // titles and texts that the webhook got
	files    int
}

const (
	limitsAccount = mototest.Account
	limitsRegion  = "eu-west-1"
	limitsRole    = "Analyst"
)

func newLimitsDay(t *testing.T) *limitsDay {
	d := &limitsDay{
		T: t, now: time.Now().UTC(), trail: t.TempDir(), lake: filepath.Join(t.TempDir(), "lake"), config: filepath.Join(t.TempDir(), "athenatrail.yaml"),
		queries: map[string]athenaapitest.Execution{},
	}
	var err error
	d.api, err = athenaapitest.Start(athenaapitest.Config{
		Keys: []athenaapitest.Key{
			{ID: recentKey, Secret: recentSecret, Account: limitsAccount, ARN: "arn:aws:iam::" + limitsAccount + ":user/limits", UserID: "AIDAEXAMPLELIMITS"},
			// Of who has the lake in an S3 server, which knows this key alone.
			{ID: "test", Secret: "test-secret", Account: limitsAccount, ARN: "arn:aws:iam::" + limitsAccount + ":user/limits", UserID: "AIDAEXAMPLELIMITS"},
		},
		Lookup: func(_, _, id string) (athenaapitest.Execution, bool) {
			d.mu.Lock()
			defer d.mu.Unlock()
			x, ok := d.queries[id]
			return x, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.api.Close() })
	d.place = mototest.Start(t)
	d.iam = iam.NewFromConfig(mototest.Config(d.place, "us-east-1"))
	if _, err := d.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String(limitsRole), Path: aws.String("/teams/"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`)}); err != nil {
		t.Fatal(err)
	}
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.messages = append(d.messages, string(body))
	}))
	t.Cleanup(hook.Close)
	d.hook = hook.URL
	d.env = d.environment()
	d.allow("100 GB")
	return d
}

// environment points the program at the day's services.
func (d *limitsDay) environment() []string {
	return []string{
		"AWS_ENDPOINT_URL_ATHENA=" + d.api.URL, "AWS_ENDPOINT_URL_STS=" + d.api.URL, "AWS_ENDPOINT_URL_IAM=" + d.place, "AWS_REGION=" + limitsRegion,
		"AWS_ACCESS_KEY_ID=" + recentKey, "AWS_SECRET_ACCESS_KEY=" + recentSecret,
		"LIMITS_HOOK=generic" + strings.TrimPrefix(d.hook, "http") + "/limits?disabletls=yes&template=json",
	}
}

// allow writes the configuration, with that amount.
func (d *limitsDay) allow(amount string) {
	text := fmt.Sprintf(`version: 1
lake: %q
sources: [%q]
limits:
  - name: analysts-day
    match: {work_group: analysts}
    per: person
    measure: scanned_bytes
    window: 24h
    amount: %s
    thresholds: [50%%: notify, 100%%: stop, 120%%: block]
    mode: enforce
    ask_for_more: Write to data-platform@example.com.
notify:
  - {name: hook, url: "env:LIMITS_HOOK"}
`, d.lake, d.trail, amount)
	if err := os.WriteFile(d.config, []byte(text), 0o644); err != nil {
		d.Fatal(err)
	}
}

// query delivers the start of a query of a session of the role, and makes Athena
// know it: as one that ends so long after its start, having scanned so much.
func (d *limitsDay) query(n int, person string, ago, takes time.Duration, bytes int64) string {
	d.Helper()
	id := fmt.Sprintf("33333333-4444-4555-8666-%012d", n)
	at := d.now.Add(-ago).Truncate(time.Second)
	x := athenaapitest.Execution{
		ID: id, Query: "SELECT * FROM clicks", StatementType: "DML", WorkGroup: "analysts", Context: &athenaapitest.Context{Database: "raw"},
		Status:     athenaapitest.Status{State: "SUCCEEDED", SubmittedAt: athenaapitest.Epoch{Time: at}, CompletedAt: athenaapitest.Epoch{Time: at.Add(takes)}},
		Statistics: &athenaapitest.Statistics{DataScannedBytes: &bytes},
	}
	d.mu.Lock()
	d.queries[id] = x
	d.mu.Unlock()
	role := "arn:aws:iam::" + limitsAccount + ":role/teams/" + limitsRole
	record, err := json.Marshal(map[string]any{
		"eventVersion": "1.11", "eventID": fmt.Sprintf("eeeeeeee-0000-4000-8000-%012d", n), "eventTime": at.Format(time.RFC3339),
		"eventSource": "athena.amazonaws.com", "eventName": "StartQueryExecution", "awsRegion": limitsRegion, "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.15",
		"userIdentity": map[string]any{
			"type": "AssumedRole", "principalId": "AROAEXAMPLEROLE00001:" + person, "arn": "arn:aws:sts::" + limitsAccount + ":assumed-role/" + limitsRole + "/" + person,
			"accountId": limitsAccount, "accessKeyId": "ASIAEXAMPLE" + fmt.Sprint(n),
			"sessionContext": map[string]any{"sessionIssuer": map[string]any{"type": "Role", "principalId": "AROAEXAMPLEROLE00001", "arn": role, "accountId": limitsAccount, "userName": limitsRole}},
		},
		"requestParameters": map[string]any{"queryString": "***OMITTED***", "workGroup": "analysts"}, "responseElements": map[string]any{"queryExecutionId": id},
		"recipientAccountId": limitsAccount, "eventCategory": "Management",
	})
	if err != nil {
		d.Fatal(err)
	}
	d.files++
	delivered := d.now
	folder := filepath.Join(d.trail, "AWSLogs", limitsAccount, "CloudTrail", limitsRegion, delivered.Format("2006"), delivered.Format("01"), delivered.Format("02"))
	if err := os.MkdirAll(folder, 0o777); err != nil {
		d.Fatal(err)
	}
	name := fmt.Sprintf("%s_CloudTrail_%s_%s_%016d.json", limitsAccount, limitsRegion, delivered.Format("20060102T1504Z"), d.files)
	part := filepath.Join(folder, "."+name)
	if err := os.WriteFile(part, []byte(`{"Records":[`+string(record)+`]}`), 0o666); err != nil {
		d.Fatal(err)
	}
	if err := os.Rename(part, filepath.Join(folder, name)); err != nil {
		d.Fatal(err)
	}
	return id
}

// told returns how many messages the webhook got.
func (d *limitsDay) told() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.messages)
}

// policy returns the policy that blocks on the role, "" without one.
func (d *limitsDay) policy() string {
	d.Helper()
	out, err := d.iam.GetRolePolicy(context.Background(), &iam.GetRolePolicyInput{RoleName: aws.String(limitsRole), PolicyName: aws.String("athenatrail-limits")})
	if err != nil {
		return ""
	}
	text, err := url.PathUnescape(aws.ToString(out.PolicyDocument))
	if err != nil {
		d.Fatal(err)
	}
	return text
}

// An acted row is one of limits apply and of the history.
type acted struct {
	Action    string `json:"action"`
	Outcome   string `json:"outcome"`
	Subject   string `json:"subject"`
	Target    string `json:"target"`
	Message   string `json:"message"`
	Threshold string `json:"threshold"`
}

func (a acted) String() string { return a.Action + " " + a.Target + " " + a.Outcome }

// apply collects and applies, and compares what was done.
func (d *limitsDay) apply(want ...string) {
	d.Helper()
	run(d.T, d.env, "collect", "--config", d.config, "-q").mustEnd(d.T, 0)
	r := run(d.T, d.env, "limits", "apply", "--config", d.config, "--output", "jsonl").mustEnd(d.T, 0)
	var got []string
	for _, a := range rows[acted](d.T, r.stdout) {
		got = append(got, strings.Join(strings.Fields(a.String()), " "))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		d.Errorf("done\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), r.stderr)
	}
}

// TestLimitsDay goes through a day with the real program: rosa is warned,
// stopped and blocked, then allowed more and let go. There is one message for
// each, and the history tells it all.
func TestLimitsDay(t *testing.T) {
	d := newLimitsDay(t)
	d.query(1, "rosa@example.com", 3*time.Hour, time.Minute, 60e9)
	d.query(2, "ines@example.com", 3*time.Hour, 24*time.Hour, 80e9)
	d.apply("notify done")
	d.apply()

	// Two thirds of its hour are over, and of its bytes.
	third := d.query(3, "rosa@example.com", 40*time.Minute, time.Hour, 75e9)
	block := "arn:aws:iam::" + limitsAccount + ":role/teams/Analyst session rosa@example.com"
	dry := run(t, d.env, "limits", "apply", "--config", d.config, "--dry-run").mustEnd(t, 0)
	if strings.Contains(dry.stdout, "stop") {
		t.Errorf("before it is collected: %s", dry.stdout)
	}
	run(t, d.env, "collect", "--config", d.config, "-q").mustEnd(t, 0)
	dry = run(t, d.env, "limits", "apply", "--config", d.config, "--dry-run").mustEnd(t, 0)
	if !strings.Contains(dry.stdout, "to do") || !strings.Contains(dry.stdout, third) || d.api.Counts("StopQueryExecution").Requests > 0 {
		t.Errorf("a dry run says %s\n%s", dry.stdout, dry.stderr)
	}
	d.apply("stop "+third+" done", "notify done")
	d.apply()

	fourth := d.query(4, "rosa@example.com", 15*time.Minute, 30*time.Minute, 60e9)
	d.apply("stop "+fourth+" done", "block "+block+" done", "notify done")
	d.apply()
	if policy := d.policy(); !strings.Contains(policy, `"aws:userid":"*:rosa@example.com"`) || !strings.Contains(policy, `workgroup/analysts"`) || strings.Contains(policy, "ines") {
		t.Errorf("the role's policy: %s", policy)
	}
	status := run(t, d.env, "limits", "status", "--config", d.config).mustEnd(t, 0)
	if !strings.Contains(status.stderr, "blocked: rosa@example.com by analysts-day until ") {
		t.Errorf("status says\n%s\n%s", status.stdout, status.stderr)
	}

	// Paused, she may; resumed, she may not; with a larger amount she may again.
	run(t, d.env, "limits", "pause", "--config", d.config, "--limit", "analysts-day", "--reason", "year-end closing").mustEnd(t, 0)
	d.apply("lift " + block + " done")
	if status := run(t, d.env, "limits", "status", "--config", d.config).mustEnd(t, 0); d.policy() != "" || !strings.Contains(status.stderr, "limit analysts-day is paused since") || !strings.Contains(status.stderr, "year-end closing") {
		t.Errorf("paused: %s\n%s", status.stderr, d.policy())
	}
	run(t, d.env, "limits", "pause", "--config", d.config, "--resume").mustEnd(t, 0)
	d.apply("block " + block + " done")
	d.allow("1 TB")
	d.apply("lift " + block + " done")
	if policy := d.policy(); policy != "" {
		t.Errorf("left of the policy: %s", policy)
	}

	if n := d.api.Counts("StopQueryExecution").Requests; n != 2 {
		t.Errorf("%d queries were stopped, want 2", n)
	}
	// A threshold is told of once; each of the two lifts is.
	all := strings.Join(d.messages, "\n")
	for _, text := range []string{"(told at 50 %)", "(told at 100 %)", "(told at 120 %)", "Lifted: the limit is paused", "Lifted: no longer over"} {
		if n := strings.Count(all, text); n != 1 {
			t.Errorf("told %d times: %s", n, text)
		}
	}
	if n := d.told(); n != 5 {
		t.Errorf("%d messages, want one for each of three thresholds and two lifts:\n%s", n, strings.Join(d.messages, "\n\n"))
	}
	history := run(t, d.env, "limits", "status", "--history", "--config", d.config, "--output", "jsonl").mustEnd(t, 0)
	counts := map[string]int{}
	for _, a := range rows[acted](t, history.stdout) {
		counts[a.Action+" "+a.Outcome]++
		if a.Subject != "rosa@example.com" {
			t.Errorf("history of %s: %s", a.Subject, a)
		}
	}
	inSQL := map[string]int{}
	for _, x := range rows[struct {
		Action, Outcome string
		N               int
	}](t, run(t, d.env, "query", "--config", d.config, "--output", "jsonl", "SELECT action, outcome, count(*) AS n FROM limit_actions WHERE account_id IS NOT NULL GROUP BY ALL").mustEnd(t, 0).stdout) {
		inSQL[x.Action+" "+x.Outcome] = x.N
	}
	for what, want := range map[string]int{"notify done": 3, "stop done": 2, "block done": 2, "lift done": 2} {
		if counts[what] != want || inSQL[what] != want {
			t.Errorf("%s: %d in the history, %d in SQL, want %d", what, counts[what], inSQL[what], want)
		}
	}
	run(t, d.env, "lake", "verify", "--config", d.config).mustEnd(t, 0)

	// What is known of rosa is forgotten, of her blocks too.
	run(t, d.env, "lake", "forget", "--person", "rosa@example.com", "--config", d.config).mustEnd(t, 0)
	if left := run(t, d.env, "limits", "status", "--history", "--config", d.config, "--output", "jsonl").mustEnd(t, 0); strings.Contains(left.stdout, "rosa") {
		t.Errorf("left of her: %s", left.stdout)
	}
	if state, err := os.ReadFile(filepath.Join(d.lake, "_ledger", "v1", "limits", "state.json")); err != nil || strings.Contains(string(state), "rosa") {
		t.Errorf("%v, left of her in what stands: %s", err, state)
	}
}

// TestFollowStops starts the program with --follow, delivers the start of a
// query that is under its limit, and sees it stopped within two minutes of the
// bytes having arrived that go beyond.
func TestFollowStops(t *testing.T) {
	d := newLimitsDay(t)
	cmd := program(t, t.Context(), "athenatrail", d.env, "collect", "--follow", "--config", d.config, "--interval", "500ms", "--listen", "")
	talk, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var mu sync.Mutex
	var said []string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(talk); s.Scan(); {
			mu.Lock()
			said = append(said, s.Text())
			mu.Unlock()
		}
	}()
	// It scans a third of a GB a second, and has scanned 99 GB.
	d.now = time.Now().UTC()
	id := d.query(1, "rosa@example.com", 300*time.Second, time.Hour, 1188e9)
	over := time.Now().Add(3 * time.Second)
	for deadline := time.Now().Add(2 * time.Minute); d.api.Counts("StopQueryExecution").IDs == 0 || d.told() < 2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			mu.Lock()
			defer mu.Unlock()
			t.Fatalf("query %s is not stopped, or not told of (%d messages):\n%s", id, d.told(), strings.Join(said, "\n"))
		}
	}
	t.Logf("stopped and told %s after the bytes went beyond", time.Since(over).Round(10*time.Millisecond))
	time.Sleep(2 * time.Second) // some more rounds, which stop and tell nothing more
	if n := d.api.Counts("StopQueryExecution").Requests; n != 1 || d.told() != 2 {
		t.Errorf("%d stops and %d messages, want 1 and 2", n, d.told())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, strings.Join(said, "\n"))
	}
	if text := strings.Join(said, "\n"); !strings.Contains(text, "limit analysts-day: rosa@example.com: stop "+id+": done") {
		t.Errorf("it said\n%s", text)
	}

	// With --no-limits nothing is done.
	d.query(2, "rosa@example.com", 300*time.Second, time.Hour, 1188e9)
	off := program(t, t.Context(), "athenatrail", d.env, "collect", "--follow", "--no-limits", "--config", d.config, "--interval", "200ms", "--listen", "")
	if err := off.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	off.Process.Signal(syscall.SIGTERM)
	off.Wait()
	if n := d.api.Counts("StopQueryExecution").Requests; n != 1 {
		t.Errorf("%d stops with --no-limits", n-1)
	}
}

// TestApplyAtOnce has several processes apply the same limits at the same time:
// each thing is done, and told of, once.
func TestApplyAtOnce(t *testing.T) {
	d := newLimitsDay(t)
	id := d.query(1, "rosa@example.com", 40*time.Minute, time.Hour, 240e9)
	run(t, d.env, "collect", "--config", d.config, "-q").mustEnd(t, 0)
	var all sync.WaitGroup
	done := make([]result, 4)
	for i := range done {
		cmd := program(t, t.Context(), "athenatrail", d.env, "limits", "apply", "--config", d.config, "--output", "jsonl")
		all.Go(func() { done[i] = ended(t, cmd) })
	}
	all.Wait()
	counts := map[string]int{}
	for _, r := range done {
		r.mustEnd(t, 0)
		for _, a := range rows[acted](t, r.stdout) {
			counts[a.Action+" "+a.Outcome]++
		}
	}
	if n := d.api.Counts("StopQueryExecution").Requests; n != 1 || counts["stop done"] != 1 || counts["block done"] != 1 {
		t.Errorf("%s: %d stops; done %v", id, n, counts)
	}
	if policy := d.policy(); strings.Count(policy, "AthenatrailBlock") != 1 {
		t.Errorf("the policy has not one statement: %s", policy)
	}
	messages := strings.Join(d.messages, "\n")
	for _, text := range []string{"(told at 50 %)", "(told at 100 %)", "(told at 120 %)"} {
		if n := strings.Count(messages, text); n != 1 {
			t.Errorf("%s: %d times", text, n)
		}
	}
	d.apply()
}
