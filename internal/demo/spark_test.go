package demo

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

// sparkEvents are what a trail tells of sessions and calculations.
type sparkEvents struct {
	starts, ends, calculations map[string][]record // by session id, or calculation id
	byID                       map[string]record
}

func sparkTrail(t *testing.T) (*Company, sparkEvents) {
	c, all := trail(t)
	e := sparkEvents{map[string][]record{}, map[string][]record{}, map[string][]record{}, map[string]record{}}
	for _, r := range all {
		if _, twice := e.byID[r.EventID]; twice {
			continue
		}
		e.byID[r.EventID] = r
		var asked, answered struct{ SessionID, CalculationExecutionID string }
		json.Unmarshal(r.RequestParameters, &asked)
		json.Unmarshal(r.ResponseElements, &answered)
		switch {
		case r.EventSource != athenaSource || r.ErrorCode != "":
		case r.EventName == "StartSession":
			e.starts[answered.SessionID] = append(e.starts[answered.SessionID], r)
		case r.EventName == "TerminateSession":
			e.ends[asked.SessionID] = append(e.ends[asked.SessionID], r)
		case r.EventName == "StartCalculationExecution":
			e.calculations[answered.CalculationExecutionID] = append(e.calculations[answered.CalculationExecutionID], r)
		}
	}
	return c, e
}

// TestSparkTruthAgreesWithTrailAndAnswers holds the truth of sessions against
// what the program can see, by sums made here.
func TestSparkTruthAgreesWithTrailAndAnswers(t *testing.T) {
	c, events := sparkTrail(t)
	api := c.spark()
	calculations := map[string]CalculationTruth{}
	for _, y := range c.CalculationTruths() {
		calculations[y.CalculationID] = y
		if len(events.calculations[y.CalculationID]) != 1 {
			t.Errorf("calculation %s of session %s has %d events", y.CalculationID, y.SessionID, len(events.calculations[y.CalculationID]))
			continue
		}
		r := events.calculations[y.CalculationID][0]
		if r.EventID != y.EventID || r.SourceIPAddress != y.SourceIP {
			t.Errorf("calculation %s: event %s from %s", y.CalculationID, r.EventID, r.SourceIPAddress)
		}
		answer, known := api.Calculation(y.AccountID, y.Region, y.CalculationID)
		if known != (y.Gap != "expired") {
			t.Errorf("calculation %s: known %v, gap %q", y.CalculationID, known, y.Gap)
			continue
		}
		now := answer.At(c.Now)
		if known && (now.Status.State != y.State || now.Statistics.DPUMillis != *y.DPUMillis || answer.SessionID != y.SessionID) {
			t.Errorf("calculation %s: %+v, answer %+v", y.CalculationID, y, now.Status)
		}
	}
	seen := 0
	for _, x := range c.SparkTruths() {
		started := len(events.starts[x.SessionID])
		unseen := slices.Contains(x.Cases, "before_the_trail") || slices.Contains(x.Cases, "unknown_session")
		if (started == 0) != unseen || (started == 2) != slices.Contains(x.Cases, "start_retried") {
			t.Errorf("session %v has %d StartSession", x.Cases, started)
		}
		if (x.Rung == roleRung) != (unseen || x.Kind == service) {
			t.Errorf("session %v: rung %s", x.Cases, x.Rung)
		}
		if (len(events.ends[x.SessionID]) == 1) != (x.EndedBy != "") {
			t.Errorf("session %s: ended by %q, %d TerminateSession", x.SessionID, x.EndedBy, len(events.ends[x.SessionID]))
		}
		answer, known := api.Session(x.AccountID, x.Region, x.SessionID)
		if known != (x.Gap != "expired") {
			t.Errorf("session %s: known %v, gap %q", x.SessionID, known, x.Gap)
		}
		if !known {
			continue
		}
		now := answer.At(c.Now)
		s := now.Status
		if s.State != x.State || s.StartedAt.UnixMilli() != x.StartedAtMillis || now.Statistics.DPUMillis != *x.DPUMillis || now.WorkGroup != x.WorkGroup {
			t.Errorf("session %s: %+v, answer %+v", x.SessionID, x, s)
		}
		final := s.State == "TERMINATED" || s.State == "FAILED"
		if final == (x.Gap == "pending") || final != (x.EndedAtMillis != 0) || final != !s.EndedAt.IsZero() {
			t.Errorf("session %s: state %s, gap %q", x.SessionID, s.State, x.Gap)
		}
		// What the calculations took and when they ran, from their answers.
		until := c.Now.UnixMilli()
		if final {
			until = s.EndedAt.UnixMilli()
		}
		idle, used := until-x.StartedAtMillis, int64(0)
		for _, id := range x.Calculations {
			y := calculations[id]
			end := y.CompletedAt
			if end == 0 {
				end = until
			}
			if y.SubmittedAt < x.StartedAtMillis || end > until || end < y.SubmittedAt {
				t.Errorf("calculation %s runs from %d to %d in a session from %d to %d", id, y.SubmittedAt, end, x.StartedAtMillis, until)
			}
			idle -= end - y.SubmittedAt
			used += *y.DPUMillis
		}
		connect := x.EngineVersion == spark35
		if !connect && (x.IdleMillis == nil || *x.IdleMillis != idle) || used != x.CalculationDPUMillis {
			t.Errorf("session %s %v: idle %v, want %d; calculations used %d, want %d", x.SessionID, x.Cases, x.IdleMillis, idle, x.CalculationDPUMillis, used)
		}
		if coordinator := until - x.StartedAtMillis; final && !connect && *x.DPUMillis != coordinator+used {
			t.Errorf("session %s: %d DPU-ms, want %d of the coordinator and %d", x.SessionID, *x.DPUMillis, coordinator, used)
		}
		if connect && (len(x.Calculations) > 0 || answer.Engine.CoordinatorDPUs != 0) {
			t.Errorf("session %s of Spark 3.5 has calculations", x.SessionID)
		}
		if x.CostNano != nil {
			seen++
			if x.Region != US || x.Gap == "pending" {
				t.Errorf("session %s has a price", x.SessionID)
			}
			if want := float64(*x.DPUMillis) / 3_600_000 * 0.35 * 1e9; float64(*x.CostNano) < want-1 || float64(*x.CostNano) > want+1 {
				t.Errorf("session %s costs %d, want %f", x.SessionID, *x.CostNano, want)
			}
		}
	}
	if seen < 10 {
		t.Errorf("%d sessions have a price", seen)
	}
}

func TestSparkPrice(t *testing.T) {
	f := func(dpus int64, region, gap string, want int64, basis string) {
		t.Helper()
		x := SparkTruth{DPUMillis: &dpus, Region: region, Gap: gap}
		x.price()
		if got := aws.ToInt64(x.CostNano); got != want || x.CostBasis != basis {
			t.Errorf("%d DPU-ms in %s: %d %q, want %d %q", dpus, region, got, x.CostBasis, want, basis)
		}
	}
	f(3_600_000, US, "", 350_000_000, "list")
	f(36, US, "", 3500, "list")
	f(1, US, "no_event", 97, "list")
	f(3_600_000, EU, "", 0, "unpriced")
	f(3_600_000, US, "pending", 0, "")
}

// TestSparkCases finds each odd life of a session, and what a finding rests on.
func TestSparkCases(t *testing.T) {
	c, events := sparkTrail(t)
	cases := map[string]SparkTruth{}
	for _, x := range c.SparkTruths() {
		for _, name := range x.Cases {
			cases[name] = x
		}
	}
	for _, name := range []string{
		"midnight", "failed_session", "calculation_states", "region_without_price", "terminated_by_another", "start_late", "running", "before_the_trail",
		"forgotten", "unknown_session", "spark_connect", "service", "idle_for_hours", "idle_still", "cells_by_api", "executor_credentials_copied",
	} {
		if _, ok := cases[name]; !ok {
			t.Errorf("no session is a case of %s", name)
		}
	}
	if x := cases["running"]; x.State != "BUSY" || x.Gap != "pending" {
		t.Errorf("the running one is %s, gap %q", x.State, x.Gap)
	}
	if x := cases["idle_still"]; x.State != "IDLE" || x.Gap != "pending" || c.Now.UnixMilli()-x.IdleSinceMillis < 6*3_600_000 {
		t.Errorf("the one that is idle is %s since %d", x.State, x.IdleSinceMillis)
	}
	if x := cases["idle_for_hours"]; x.EndedAtMillis-x.IdleSinceMillis < 8*3_600_000 || x.EndedBy != "" {
		t.Errorf("idle from %d to %d", x.IdleSinceMillis, x.EndedAtMillis)
	}
	if x := cases["before_the_trail"]; x.Gap != "no_event" || !strings.HasPrefix(x.StartedAt, "2026-09-27T") || x.Answer != sparkRole || x.EndedBy == x.Person {
		t.Errorf("the one from before the trail is %+v", x)
	}
	if r := events.starts[cases["start_late"].SessionID]; !slices.ContainsFunc(r, func(r record) bool { return strings.Contains(r.file, "/2026/10/27/") }) {
		t.Error("no start is delivered the day after")
	}
	states := map[string]bool{}
	for _, y := range c.CalculationTruths() {
		states[y.State] = true
	}
	for _, s := range []string{"COMPLETED", "FAILED", "CANCELED", "RUNNING", ""} {
		if !states[s] {
			t.Errorf("no calculation is %q", s)
		}
	}

	sql, midnight := 0, false
	sessions := map[string]SparkTruth{}
	for _, x := range c.SparkTruths() {
		sessions[x.SessionID] = x
	}
	for _, x := range c.Truths() {
		if x.Rung != notebook {
			continue
		}
		sql++
		s, ok := sessions[x.ToolDetail]
		if !ok || s.Person != x.Person || s.Answer != x.Answer || !strings.HasSuffix(x.Principal, "/AthenaExecutor-"+s.SessionID) {
			t.Errorf("query %s of a notebook: %+v", x.QueryExecutionID, x)
		}
		midnight = midnight || slices.Contains(x.Cases, "midnight") && x.EventTime[:10] == "2026-10-24" && s.StartedAt[:10] == "2026-10-23"
	}
	if sql != 4 || !midnight {
		t.Errorf("%d queries from notebooks, one past midnight: %v", sql, midnight)
	}

	fires := map[string][2]int{}
	for _, f := range c.SparkFindings() {
		n := fires[f.Finding]
		if f.Fires {
			n[0]++
		} else {
			n[1]++
		}
		fires[f.Finding] = n
		if len(f.EventIDs) == 0 {
			t.Errorf("finding %s has no evidence", f.Finding)
		}
		for _, id := range f.EventIDs {
			r, ok := events.byID[id]
			if !ok || r.RecipientAccountID != f.AccountID {
				t.Errorf("finding %s: event %s is in the trail: %v, of %s", f.Finding, id, ok, r.RecipientAccountID)
			}
			if f.Finding == FindingDeniedCalls && r.ErrorCode != "AccessDeniedException" {
				t.Errorf("event %s was not denied", id)
			}
		}
		if x, ok := sessions[f.SessionID]; f.SessionID != "" && (!ok || !slices.ContainsFunc(x.Cases, func(name string) bool { return strings.HasSuffix(name, "finding_"+f.Finding) })) {
			t.Errorf("finding %s of session %s, whose cases are %v", f.Finding, f.SessionID, x.Cases)
		}
	}
	for _, name := range []string{FindingIdleSession, FindingForeignAddress, FindingPresignedURL, FindingImportRole, FindingForeignNotebook, FindingDeniedCalls, FindingExecutorOutside} {
		if n := fires[name]; n[0] == 0 || n[1] == 0 {
			t.Errorf("finding %s: %d that fire, %d that do not", name, n[0], n[1])
		}
	}
	if len(fires) != 7 {
		t.Errorf("findings %v", fires)
	}
}

// TestSparkAPI asks the loopback API about sessions as the program does.
func TestSparkAPI(t *testing.T) {
	ctx := context.Background()
	c := Generate(small)
	s, err := athenaapitest.Start(c.API())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := func(region string) *athena.Client {
		return athena.New(athena.Options{BaseEndpoint: &s.URL, Region: region, Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, "")})
	}
	unknown := 0
	for _, x := range c.SparkTruths() {
		out, err := client(x.Region).GetSession(ctx, &athena.GetSessionInput{SessionId: &x.SessionID})
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) && x.Gap == "expired" {
			unknown++
			continue
		}
		if err != nil || string(out.Status.State) != x.State || aws.ToInt64(out.Statistics.DpuExecutionInMillis) != *x.DPUMillis {
			t.Errorf("session %s: %+v, %v", x.SessionID, out, err)
		}
		if len(x.Calculations) == 0 {
			continue
		}
		id := x.Calculations[len(x.Calculations)-1]
		got, err := client(x.Region).GetCalculationExecution(ctx, &athena.GetCalculationExecutionInput{CalculationExecutionId: &id})
		if err != nil || *got.SessionId != x.SessionID {
			t.Errorf("calculation %s: %+v, %v", id, got, err)
		}
	}
	if unknown != 2 {
		t.Errorf("%d sessions are unknown, want 2", unknown)
	}
	tags, err := client(US).ListTagsForResource(ctx, &athena.ListTagsForResourceInput{ResourceARN: aws.String("arn:aws:athena:us-east-1:" + Analytics + ":workgroup/ml-notebooks")})
	if err != nil || len(tags.Tags) != 2 {
		t.Errorf("tags %v, %v", tags, err)
	}
	for _, x := range c.SparkTruths() {
		if at, err := time.Parse(time.RFC3339, x.StartedAt); err != nil || at.UnixMilli() > x.StartedAtMillis && x.Gap != "expired" {
			t.Errorf("session %s starts %s, and for Athena at %d", x.SessionID, x.StartedAt, x.StartedAtMillis)
		}
	}
}
