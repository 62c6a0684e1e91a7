package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/enforce"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// limitsYAML lets each person start one query in seven days.
const limitsYAML = `version: 1
limits:
  - name: one-query
    match: {person_kind: human}
    per: person
    measure: queries
    window: 7d
    amount: 1
    thresholds:
      - 100%: stop
    mode: enforce
notify:
  - name: hook
    url: env:HOOK_URL
`

// TestLimitsThroughTheProgram collects what somebody runs who may not, and lets
// the function limits act on a lake in S3: what runs is stopped once and told
// of once, though the function is called again and by two at a time.
func TestLimitsThroughTheProgram(t *testing.T) {
	server := s3test.Start(t)
	trail, bucket := server.Bucket(t), server.Bucket(t)
	now := time.Now().Truncate(time.Second)
	starts := []call{
		{account: firstAccount, user: "ines", at: now.Add(-50 * time.Minute), late: 5 * time.Minute},
		{account: firstAccount, user: "rosa", at: now.Add(-50 * time.Minute), late: 5 * time.Minute},
		{account: firstAccount, user: "rosa", at: now.Add(-40 * time.Minute), late: 5 * time.Minute, runs: true},
	}
	athena := athenaOf(t, starts, server.AccessKey, server.SecretKey)

	var mu sync.Mutex
	var told []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		told = append(told, string(body))
		mu.Unlock()
	}))
	t.Cleanup(hook.Close)

	config := filepath.Join(t.TempDir(), "athenatrail.yaml")
	if err := os.WriteFile(config, []byte(limitsYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"AWS_ENDPOINT_URL_S3=" + server.Endpoint, "AWS_ENDPOINT_URL_ATHENA=" + athena.URL, "AWS_ENDPOINT_URL_STS=" + athena.URL,
		"AWS_REGION=" + server.Region, "AWS_ACCESS_KEY_ID=" + server.AccessKey, "AWS_SECRET_ACCESS_KEY=" + server.SecretKey,
		"ATHENATRAIL_SOURCES=s3://" + trail + "/AWSLogs/", "S3_BUCKET=" + bucket, "OUTPUT_TYPE=none", "ATHENATRAIL_TIMEZONE=UTC",
		"ATHENATRAIL_CONFIG=" + config, "HOOK_URL=generic" + strings.TrimPrefix(hook.URL, "http") + "/?disabletls=yes",
	}
	mustAnswer := func(f *lambdaFunction, input any) []byte {
		t.Helper()
		data, err := json.Marshal(input)
		if err != nil {
			t.Fatal(err)
		}
		body, failed := f.invoke(data)
		if failed {
			t.Fatalf("%s: %s\n%s", f.name, body, f.logs())
		}
		return body
	}
	d := &deployment{t: t, s3: server, trail: trail, bucket: bucket}
	d.put(trailOf(t, starts))
	mustAnswer(newFunction(t, "athenatrail-unit", "unit", env), unit{From: now.Add(-3 * time.Hour).UTC().Truncate(time.Hour), To: now.Add(time.Hour).UTC().Truncate(time.Hour)})
	mustAnswer(newFunction(t, "athenatrail-derive", "derive", env), struct{}{})
	// The daily run came to then; what was delivered since is in the lake too.
	mustAnswer(newFunction(t, "athenatrail-finish", "finish", env), finished{Collected: []span{{From: now.Add(-3 * time.Hour).UTC(), To: now.Add(-2 * time.Hour).UTC()}}})

	act := newFunction(t, "athenatrail-limits", "limits", env)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { act.invoke([]byte(`{}`)) })
	}
	both.Wait()
	var last acted
	if err := json.Unmarshal(mustAnswer(act, struct{}{}), &last); err != nil {
		t.Fatal(err)
	}
	if last.Done != 0 || last.Sent != 0 || last.Busy != "" {
		t.Errorf("the third call did %+v", last)
	}
	if n := athena.Counts("StopQueryExecution").Requests; n != 1 {
		t.Errorf("Athena stopped %d queries\n%s", n, act.logs())
	}
	mu.Lock()
	if len(told) != 1 || !strings.Contains(told[0], "rosa") {
		t.Errorf("told was %q", told)
	}
	mu.Unlock()
	l, err := lake.Open(t.Context(), d.store("athenatrail"))
	if err != nil {
		t.Fatal(err)
	}
	var stops []athenatrail.LimitAction
	for file, err := range lake.Partitions(t.Context(), l, lake.LimitActions, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for x, err := range lake.Read(t.Context(), l, lake.LimitActions, file.Partition) {
			if err != nil {
				t.Fatal(err)
			}
			if x.Action == "stop" {
				stops = append(stops, *x)
			}
		}
	}
	if len(stops) != 1 || stops[0].Target != id(2) || stops[0].Outcome != athenatrail.OutcomeDone {
		t.Errorf("the lake's stops are %+v", stops)
	}
	if lines := strings.Count(act.logs(), `"msg":"action"`); lines == 0 {
		t.Errorf("no line of the log tells of an action:\n%s", act.logs())
	}
}

// TestProgressIsNoted: the lake is as far as all that was delivered ten minutes
// ago, and not further than what is missing of it.
func TestProgressIsNoted(t *testing.T) {
	p, w := newProgram(t, atOne, nil)
	w.acts = &enforce.Result{}
	then := at(t, atOne).Add(-inFlight).Truncate(time.Minute)
	call := func() {
		t.Helper()
		if err := p.call(t, limits, `{}`, new(acted)); err != nil {
			t.Fatal(err)
		}
	}
	if call(); !w.noted.IsZero() {
		t.Errorf("noted %s of a lake that no run was for", w.noted)
	}
	w.newest = then.Add(-time.Hour)
	w.left = func(s span) *collect.Summary {
		if !s.From.Equal(w.newest) || !s.To.Equal(then) {
			t.Errorf("looked from %s to %s", s.From, s.To)
		}
		return &collect.Summary{Listed: 3, ToRead: 1}
	}
	if call(); !w.noted.IsZero() {
		t.Errorf("noted %s, though a log file is missing", w.noted)
	}
	w.left = nil
	if call(); !w.noted.Equal(then) {
		t.Errorf("noted %s", w.noted)
	}
}

// TestLimitsThatCannotBeApplied: what AWS refused is in the error, so that the
// alarm on failures tells of it.
func TestLimitsThatCannotBeApplied(t *testing.T) {
	p, w := newProgram(t, atOne, nil)
	w.acts = &enforce.Result{
		Done: []athenatrail.LimitAction{
			{LimitName: "a", Action: "stop", Target: "q", Outcome: athenatrail.OutcomeDone},
			{LimitName: "a", Action: "block", Target: "arn:aws:iam::111122223333:role/analyst", Outcome: athenatrail.OutcomeFailed, Message: "not allowed to call iam:PutRolePolicy"},
		},
		Notice: notify.Result{Problems: []error{errors.New("hook: 503")}},
	}
	err := p.call(t, limits, `{}`, new(acted))
	for _, want := range []string{"limit a: block arn:aws:iam::111122223333:role/analyst: not allowed to call iam:PutRolePolicy", "notify: hook: 503"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	w.acts = &enforce.Result{Busy: "another"}
	var got acted
	if err := p.call(t, limits, `{}`, &got); err != nil || got.Busy != "another" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := p.call(t, limits, `{"limit":"a"}`, &got); err == nil || !strings.Contains(err.Error(), "want {}") {
		t.Error(err)
	}
}
