package athenaapitest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

const (
	analytics = "111122223333"
	finance   = "444455556666"
	region    = "eu-west-1"
	keyID     = "AKIATESTKEY01EXAMPLE"
	secret    = "not/a/real/secret+key"
	detailsAt = "arn:aws:iam::444455556666:role/athenatrail-details"
)

var (
	ctx = context.Background()
	now = time.Date(2026, 11, 2, 6, 0, 0, 0, time.UTC)
)

// A store holds one work group's executions per account, newest first.
type store map[string][]athenaapitest.Execution

func (s store) lookup(account, region, id string) (athenaapitest.Execution, bool) {
	for _, e := range s[account] {
		if e.ID == id && region == "eu-west-1" {
			return e, true
		}
	}
	return athenaapitest.Execution{}, false
}

func (s store) list(account, region, workGroup string) (ids []string) {
	for _, e := range s[account] {
		if e.WorkGroup == workGroup {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func execution(id, workGroup string, submitted time.Time) athenaapitest.Execution {
	return athenaapitest.Execution{
		ID: id, Query: "SELECT 1", StatementType: "DML", SubstatementType: "SELECT", WorkGroup: workGroup,
		Context: &athenaapitest.Context{Database: "sales"},
		Status: athenaapitest.Status{
			State:       "SUCCEEDED",
			SubmittedAt: athenaapitest.Epoch{Time: submitted},
			CompletedAt: athenaapitest.Epoch{Time: submitted.Add(100 * time.Second)},
		},
		Statistics: &athenaapitest.Statistics{DataScannedBytes: aws.Int64(9000), QueueMillis: aws.Int64(10_000), TotalMillis: aws.Int64(100_000)},
	}
}

func start(t *testing.T, data store, change func(*athenaapitest.Config)) *athenaapitest.Server {
	t.Helper()
	config := athenaapitest.Config{
		Now:    func() time.Time { return now },
		Lookup: data.lookup,
		List:   data.list,
		Keys: []athenaapitest.Key{{
			ID: keyID, Secret: secret, Account: analytics,
			ARN: "arn:aws:iam::111122223333:user/reader", UserID: "AIDATESTREADEREXAMPL",
		}},
	}
	if change != nil {
		change(&config)
	}
	s, err := athenaapitest.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func provider(id, secret string) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(id, secret, "")
}

// client makes an Athena client that tries once, so that a refusal is seen.
func client(s *athenaapitest.Server, from aws.CredentialsProvider) *athena.Client {
	return athena.New(athena.Options{BaseEndpoint: &s.URL, Region: region, Credentials: from, RetryMaxAttempts: 1})
}

func own(s *athenaapitest.Server) *athena.Client { return client(s, provider(keyID, secret)) }

func batch(c *athena.Client, ids ...string) (*athena.BatchGetQueryExecutionOutput, error) {
	return c.BatchGetQueryExecution(ctx, &athena.BatchGetQueryExecutionInput{QueryExecutionIds: ids})
}

func wantCode(t *testing.T, err error, code string) string {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Fatalf("got error %v, want %s", err, code)
	}
	return api.ErrorMessage()
}

func TestBatchGet(t *testing.T) {
	data := store{
		analytics: {execution("a-2", "primary", now.Add(-time.Hour)), execution("a-1", "primary", now.Add(-45*24*time.Hour-time.Second)),
			execution("a-0", "primary", now.Add(-45*24*time.Hour))},
		finance: {execution("f-1", "primary", now.Add(-time.Hour))},
	}
	s := start(t, data, nil)
	out, err := batch(own(s), "a-2", "f-1", "a-1", "a-2", "unknown", "a-0")
	if err != nil {
		t.Fatal(err)
	}
	var got, missing []string
	for _, e := range out.QueryExecutions {
		got = append(got, *e.QueryExecutionId)
	}
	for _, u := range out.UnprocessedQueryExecutionIds {
		missing = append(missing, *u.QueryExecutionId)
		if *u.ErrorCode == "" || *u.ErrorMessage != "QueryExecution "+*u.QueryExecutionId+" was not found" {
			t.Errorf("unprocessed %s: %s %s", *u.QueryExecutionId, *u.ErrorCode, *u.ErrorMessage)
		}
	}
	if d := cmp.Diff([]string{"a-0", "a-2"}, got); d != "" {
		t.Error("executions (-want +got)\n", d)
	}
	if d := cmp.Diff([]string{"a-1", "f-1", "unknown"}, missing); d != "" {
		t.Error("another account's, an old and an unknown id (-want +got)\n", d)
	}

	for _, n := range []int{0, 51} {
		ids := slices.Repeat([]string{"a-2"}, n)
		_, err := batch(own(s), ids...)
		wantCode(t, err, "InvalidRequestException")
		var invalid *types.InvalidRequestException
		if !errors.As(err, &invalid) || aws.ToString(invalid.AthenaErrorCode) == "" {
			t.Errorf("%d ids: %v lacks an AthenaErrorCode", n, err)
		}
	}
	if _, err := batch(own(s), slices.Repeat([]string{"a-2"}, 50)...); err != nil {
		t.Error("50 ids:", err)
	}
	c := s.Counts("BatchGetQueryExecution")
	if c.Requests != 4 || c.IDs != 56 {
		t.Errorf("counts %+v, want 4 requests and 56 ids", c)
	}
}

func TestGet(t *testing.T) {
	s := start(t, store{analytics: {execution("a-1", "primary", now.Add(-time.Hour))}}, nil)
	out, err := own(s).GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: aws.String("a-1")})
	if err != nil {
		t.Fatal(err)
	}
	e := out.QueryExecution
	if e.Status.State != types.QueryExecutionStateSucceeded || *e.Statistics.DataScannedInBytes != 9000 || !e.Status.SubmissionDateTime.Equal(now.Add(-time.Hour)) {
		t.Errorf("got %+v %+v", e.Status, e.Statistics)
	}
	_, err = own(s).GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: aws.String("a-9")})
	if m := wantCode(t, err, "InvalidRequestException"); m != "QueryExecution a-9 was not found" {
		t.Error("message:", m)
	}
}

func TestStateDependsOnClock(t *testing.T) {
	submitted := now
	data := store{analytics: {execution("a-1", "primary", submitted)}}
	clock := now
	s := start(t, data, func(c *athenaapitest.Config) { c.Now = func() time.Time { return clock } })
	at := func(after time.Duration) types.QueryExecution {
		t.Helper()
		clock = submitted.Add(after)
		out, err := batch(own(s), "a-1")
		if err != nil || len(out.QueryExecutions) != 1 {
			t.Fatalf("after %v: %v, %v", after, out, err)
		}
		return out.QueryExecutions[0]
	}
	if e := at(5 * time.Second); e.Status.State != types.QueryExecutionStateQueued || e.Statistics.DataScannedInBytes != nil || e.Status.CompletionDateTime != nil {
		t.Errorf("after 5 s: %v %v", e.Status, e.Statistics)
	}
	var last int64
	for _, sec := range []int{20, 50, 99} {
		e := at(time.Duration(sec) * time.Second)
		if n := *e.Statistics.DataScannedInBytes; e.Status.State != types.QueryExecutionStateRunning || n <= last || n >= 9000 {
			t.Errorf("after %d s: %v with %d bytes", sec, e.Status.State, n)
		} else {
			last = n
		}
	}
	if e := at(100 * time.Second); e.Status.State != types.QueryExecutionStateSucceeded || *e.Statistics.DataScannedInBytes != 9000 {
		t.Errorf("after 100 s: %v", e.Status)
	}
	clock = submitted.Add(-time.Second)
	if out, err := batch(own(s), "a-1"); err != nil || len(out.UnprocessedQueryExecutionIds) != 1 {
		t.Error("before its submission an execution is not known:", out, err)
	}
}

func TestStop(t *testing.T) {
	clock := now.Add(55 * time.Second)
	s := start(t, store{analytics: {execution("a-1", "primary", now)}}, func(c *athenaapitest.Config) { c.Now = func() time.Time { return clock } })
	stop := func() {
		t.Helper()
		if _, err := own(s).StopQueryExecution(ctx, &athena.StopQueryExecutionInput{QueryExecutionId: aws.String("a-1")}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	clock = clock.Add(time.Hour)
	stop() // idempotent
	out, err := batch(own(s), "a-1")
	if err != nil {
		t.Fatal(err)
	}
	e := out.QueryExecutions[0]
	if e.Status.State != types.QueryExecutionStateCancelled || *e.Statistics.DataScannedInBytes != 4500 || !e.Status.CompletionDateTime.Equal(now.Add(55*time.Second)) {
		t.Errorf("got %v, %d bytes, completed %v", e.Status.State, *e.Statistics.DataScannedInBytes, e.Status.CompletionDateTime)
	}
}

func TestListPages(t *testing.T) {
	data := store{}
	for i := range 120 {
		data[analytics] = append(data[analytics], execution(fmt.Sprintf("a-%03d", i), "primary", now.Add(-time.Duration(i)*time.Minute)))
	}
	data[analytics] = append(data[analytics], execution("other", "etl", now.Add(-time.Hour)))
	s := start(t, data, func(c *athenaapitest.Config) {
		c.Rates = map[string]athenaapitest.Rate{"ListQueryExecutions": athenaapitest.Unlimited}
	})
	list := func(group, token string, size int32) (*athena.ListQueryExecutionsOutput, error) {
		in := &athena.ListQueryExecutionsInput{MaxResults: aws.Int32(size)}
		if group != "" {
			in.WorkGroup = &group
		}
		if token != "" {
			in.NextToken = &token
		}
		return own(s).ListQueryExecutions(ctx, in)
	}
	var ids []string
	var token string
	for {
		out, err := list("", token, 0)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, out.QueryExecutionIds...)
		if out.NextToken == nil {
			break
		}
		token = *out.NextToken
		if _, err := list("etl", token, 0); err == nil {
			t.Fatal("a token of primary was taken for work group etl")
		}
	}
	if len(ids) != 120 || !slices.IsSorted(ids) || ids[0] != "a-000" {
		t.Errorf("got %d ids, first %s", len(ids), ids[0])
	}
	_, err := list("", "", 51)
	wantCode(t, err, "InvalidRequestException")
	_, err = list("", "nonsense", 10)
	wantCode(t, err, "InvalidRequestException")
	_, err = list("a b", "", 10)
	wantCode(t, err, "InvalidRequestException")
}

func TestWorkGroups(t *testing.T) {
	groups := []athenaapitest.WorkGroup{{Name: "primary"}, {Name: "etl", State: "DISABLED", BytesScannedCutoff: 10_000_000, CreatedAt: now}}
	s := start(t, store{}, func(c *athenaapitest.Config) {
		c.WorkGroups = func(account, region string) []athenaapitest.WorkGroup { return groups }
	})
	out, err := own(s).ListWorkGroups(ctx, &athena.ListWorkGroupsInput{MaxResults: aws.Int32(1)})
	if err != nil || len(out.WorkGroups) != 1 || out.NextToken == nil {
		t.Fatalf("got %v, %v", out, err)
	}
	out, err = own(s).ListWorkGroups(ctx, &athena.ListWorkGroupsInput{NextToken: out.NextToken})
	if err != nil || len(out.WorkGroups) != 1 || *out.WorkGroups[0].Name != "etl" || out.WorkGroups[0].State != types.WorkGroupStateDisabled {
		t.Fatalf("got %v, %v", out, err)
	}
	one, err := own(s).GetWorkGroup(ctx, &athena.GetWorkGroupInput{WorkGroup: aws.String("etl")})
	if err != nil || *one.WorkGroup.Configuration.BytesScannedCutoffPerQuery != 10_000_000 || !one.WorkGroup.CreationTime.Equal(now) {
		t.Fatalf("got %v, %v", one, err)
	}
	_, err = own(s).GetWorkGroup(ctx, &athena.GetWorkGroupInput{WorkGroup: aws.String("none")})
	wantCode(t, err, "InvalidRequestException")
	_, err = own(s).ListQueryExecutions(ctx, &athena.ListQueryExecutionsInput{WorkGroup: aws.String("none")})
	wantCode(t, err, "InvalidRequestException")
}

func TestRate(t *testing.T) {
	var mu sync.Mutex
	wall := time.Now()
	s := start(t, store{}, func(c *athenaapitest.Config) {
		c.Wall = func() time.Time { mu.Lock(); defer mu.Unlock(); return wall }
		c.Rates = map[string]athenaapitest.Rate{"BatchGetQueryExecution": {PerSecond: 2, Burst: 3}}
	})
	call := func() error { _, err := batch(own(s), "x"); return err }
	for i := range 3 {
		if err := call(); err != nil {
			t.Fatalf("call %d within the burst: %v", i, err)
		}
	}
	if m := wantCode(t, call(), "ThrottlingException"); m != "Rate exceeded" {
		t.Error("message:", m)
	}
	mu.Lock()
	wall = wall.Add(500 * time.Millisecond)
	mu.Unlock()
	if err := call(); err != nil {
		t.Error("half a second later:", err)
	}
	wantCode(t, call(), "ThrottlingException")
	other := athena.New(athena.Options{BaseEndpoint: &s.URL, Region: "us-east-1", Credentials: provider(keyID, secret), RetryMaxAttempts: 1})
	if _, err := batch(other, "x"); err != nil {
		t.Error("another region has its own bucket:", err)
	}
	if c := s.Counts("BatchGetQueryExecution"); c.Throttled != 2 || c.Requests != 7 {
		t.Errorf("counts %+v, want 2 of 7 throttled", c)
	}
	if throttled := call(); !retry.NewStandard().IsErrorRetryable(throttled) {
		t.Error("the SDK would not try again after", throttled)
	}
}

func TestDenied(t *testing.T) {
	data := store{analytics: {execution("a-1", "primary", now.Add(-time.Hour)), execution("a-2", "secret", now.Add(-time.Hour))}}
	deny := func(c athenaapitest.Call) bool { return c.WorkGroup == "secret" || c.Operation == "ListWorkGroups" }
	s := start(t, data, func(c *athenaapitest.Config) { c.Deny = deny })
	_, err := batch(own(s), "a-1", "a-2")
	want := "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: athena:BatchGetQueryExecution on resource: arn:aws:athena:eu-west-1:111122223333:workgroup/secret"
	if m := wantCode(t, err, "AccessDeniedException"); !strings.HasPrefix(m, want) {
		t.Error("message:", m)
	}
	if _, err := batch(own(s), "a-1"); err != nil {
		t.Error("the other work group:", err)
	}
	_, err = own(s).ListWorkGroups(ctx, nil)
	wantCode(t, err, "AccessDeniedException")
	_, err = own(s).GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: aws.String("a-2")})
	wantCode(t, err, "AccessDeniedException")

	s = start(t, data, func(c *athenaapitest.Config) { c.Deny, c.DeniedUnprocessed = deny, true })
	out, err := batch(own(s), "a-1", "a-2")
	if err != nil || len(out.QueryExecutions) != 1 || len(out.UnprocessedQueryExecutionIds) != 1 || *out.UnprocessedQueryExecutionIds[0].ErrorCode != "AccessDeniedException" {
		t.Errorf("got %v, %v", out, err)
	}
}

func TestFaults(t *testing.T) {
	faults := []athenaapitest.Fault{
		{Status: 500}, {Cut: true}, {Status: 503, Code: "ServiceUnavailable"}, {Delay: 30 * time.Millisecond},
	}
	s := start(t, store{analytics: {execution("a-1", "primary", now)}}, func(c *athenaapitest.Config) {
		c.Fault = func(c athenaapitest.Call) athenaapitest.Fault {
			if c.Number < len(faults) {
				return faults[c.Number]
			}
			return athenaapitest.Fault{}
		}
	})
	_, err := batch(own(s), "a-1")
	wantCode(t, err, "InternalServerException")
	if _, err = batch(own(s), "a-1"); err == nil {
		t.Error("a cut connection gave an answer")
	}
	_, err = batch(own(s), "a-1")
	wantCode(t, err, "ServiceUnavailable")
	before := time.Now()
	if _, err = batch(own(s), "a-1"); err != nil || time.Since(before) < 30*time.Millisecond {
		t.Error("a delay is a delay:", time.Since(before), err)
	}
	if c := s.Counts("BatchGetQueryExecution"); c.Faults != 4 || c.Requests != 4 || c.IDs != 1 {
		t.Errorf("counts %+v", c)
	}
}

func TestUnknownOperation(t *testing.T) {
	s := start(t, store{}, nil)
	_, err := own(s).ListDataCatalogs(ctx, nil)
	wantCode(t, err, "UnknownOperationException")
	tokens := sts.New(sts.Options{BaseEndpoint: &s.URL, Region: region, Credentials: provider(keyID, secret), RetryMaxAttempts: 1})
	_, err = tokens.GetSessionToken(ctx, nil)
	wantCode(t, err, "InvalidAction")
}

func TestStartNeedsLookup(t *testing.T) {
	if s, err := athenaapitest.Start(athenaapitest.Config{}); err == nil {
		s.Close()
		t.Error("a server without a Lookup started")
	}
}

func TestWireShape(t *testing.T) {
	e := execution("a-1", "primary", time.UnixMilli(1593470720592).UTC())
	e.Statistics = nil
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"QueryExecutionId":"a-1","Query":"SELECT 1","StatementType":"DML","SubstatementType":"SELECT",` +
		`"QueryExecutionContext":{"Database":"sales"},` +
		`"Status":{"State":"SUCCEEDED","SubmissionDateTime":1593470720.592,"CompletionDateTime":1593470820.592},"WorkGroup":"primary"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}

// TestUpdateWorkGroup changes a work group's state and cutoff, and is refused
// what AWS refuses.
func TestUpdateWorkGroup(t *testing.T) {
	s := start(t, store{}, func(c *athenaapitest.Config) {
		c.WorkGroups = func(string, string) []athenaapitest.WorkGroup {
			return []athenaapitest.WorkGroup{{Name: "primary"}, {Name: "analysts", BytesScannedCutoff: 50e9}}
		}
	})
	c := own(s)
	f := func(state types.WorkGroupState, cutoff int64) {
		t.Helper()
		out, err := c.GetWorkGroup(ctx, &athena.GetWorkGroupInput{WorkGroup: aws.String("analysts")})
		if err != nil {
			t.Fatal(err)
		}
		if g := out.WorkGroup; g.State != state || aws.ToInt64(g.Configuration.BytesScannedCutoffPerQuery) != cutoff {
			t.Errorf("%s, cut off at %d, want %s at %d", g.State, aws.ToInt64(g.Configuration.BytesScannedCutoffPerQuery), state, cutoff)
		}
	}
	update := func(name string, state types.WorkGroupState, u *types.WorkGroupConfigurationUpdates) error {
		_, err := c.UpdateWorkGroup(ctx, &athena.UpdateWorkGroupInput{WorkGroup: &name, State: state, ConfigurationUpdates: u})
		return err
	}
	f("ENABLED", 50e9)
	if err := update("analysts", "DISABLED", &types.WorkGroupConfigurationUpdates{BytesScannedCutoffPerQuery: aws.Int64(20e9)}); err != nil {
		t.Fatal(err)
	}
	f("DISABLED", 20e9)
	if err := update("analysts", "", &types.WorkGroupConfigurationUpdates{RemoveBytesScannedCutoffPerQuery: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	f("DISABLED", 0)
	for _, err := range []error{
		update("none", "DISABLED", nil),
		update("primary", "DISABLED", nil),
		update("analysts", "PAUSED", nil),
		update("analysts", "", &types.WorkGroupConfigurationUpdates{BytesScannedCutoffPerQuery: aws.Int64(9_999_999)}),
		update("analysts", "", &types.WorkGroupConfigurationUpdates{BytesScannedCutoffPerQuery: aws.Int64(20e9), RemoveBytesScannedCutoffPerQuery: aws.Bool(true)}),
	} {
		wantCode(t, err, "InvalidRequestException")
	}
	f("DISABLED", 0)
}
