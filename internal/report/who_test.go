package report

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

func activity(id, name, of string, at time.Time) athenatrail.Activity {
	a := athenatrail.Activity{EventID: id, EventTime: at, EventName: name, AccountID: accountA, RegionName: "eu-west-1", QueryExecutionID: of}
	a.Person, a.PersonKind, a.PersonSource, a.Team = "alice", athenatrail.PersonHuman, athenatrail.SourceSSOSession, athenatrail.TeamUnassigned
	return a
}

func TestWho(t *testing.T) {
	at := weekStart.Add(time.Hour)
	full := execution(1, at, "alice", 123456789, 47684)
	full.MFA, full.DPUCount, full.ErrorType = ptr(false), ptr(4.5), ptr(int32(7))
	full.TablesAccessed = []string{"awsdatacatalog.sales.orders", "awsdatacatalog.sales.items"}
	full.TextHash, full.TextDt = athenatrail.HashText("SELECT 1"), "2026-11-01"
	refused := execution(2, at, "bob", 0, 0)
	refused.QueryExecutionID, refused.Gap, refused.State = "", athenatrail.GapNotStarted, ""
	near := execution(3, at, "carol", 1, 1)
	near.QueryExecutionID = full.QueryExecutionID[:12] + "-near"
	l := &lakeDir{t: t, executions: []athenatrail.QueryExecution{full, refused, near}}
	text := athenatrail.QueryText{Home: athenatrail.NewPartition(at, accountA, "eu-west-1"), TextHash: full.TextHash, QueryString: "SELECT 1", Tables: []string{"a.b.c"}, Probe: ptr(true)}
	l.texts = []athenatrail.QueryText{text}
	start := activity(full.EventID, "StartQueryExecution", full.QueryExecutionID, at)
	start.MFA, start.ReadOnly = ptr(true), ptr(false)
	stop := activity("stop-event-1", "StopQueryExecution", full.QueryExecutionID, at.Add(3*time.Second))
	denied := activity(refused.EventID, "StartQueryExecution", "", at)
	l.activity = []athenatrail.Activity{stop, start, denied, activity("other-event", "ListWorkGroups", "", at)}
	for i := range 5 {
		l.activity = append(l.activity, activity("poll-event-"+string(rune('a'+i)), "GetQueryExecution", full.QueryExecutionID, at.Add(time.Duration(i)*time.Second)))
	}
	d := open(t, l.write(), Options{})
	f := func(id string, want *Who) {
		t.Helper()
		got, err := d.Who(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("who %s: %s", id, d)
		}
	}
	day := athenatrail.DateOf(at)
	polls := []Poll{{"GetQueryExecution", "alice", 5, at, at.Add(4 * time.Second)}}
	whole := &Who{ID: full.QueryExecutionID, Kind: WhoExecution, Executions: []Execution{{full, day}}, Text: &text, Activity: []athenatrail.Activity{start, stop}, Polls: polls}
	f(full.QueryExecutionID, whole)
	f(full.QueryExecutionID[:13]+"-4", whole)
	f(full.EventID, whole)
	f(" "+full.EventID[:8]+" ", whole)
	f("stop-event", whole)
	f(refused.EventID, &Who{ID: refused.EventID, Kind: WhoExecution, Executions: []Execution{{refused, day}}, Activity: []athenatrail.Activity{denied}})
	f("other-event", &Who{ID: "other-event", Kind: WhoEvent, Activity: []athenatrail.Activity{activity("other-event", "ListWorkGroups", "", at)}})
	poll := activity("poll-event-a", "GetQueryExecution", full.QueryExecutionID, at)
	withPoll := *whole
	withPoll.Activity = []athenatrail.Activity{start, poll, stop}
	f("poll-event-a", &withPoll)

	_, err := d.Who(context.Background(), full.QueryExecutionID[:8])
	mustFail(t, err, "2 ids begin like that", near.QueryExecutionID)
	_, err = d.Who(context.Background(), "abc")
	mustFail(t, err, "at least 8 characters")
	if !errors.Is(err, ErrUsage) {
		t.Errorf("%v is no usage error", err)
	}
	for _, id := range []string{"00000000-0000-4000-8000-000000000000", "' OR 1=1 --", "%%%%%%%%%%"} {
		if _, err := d.Who(context.Background(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("who %s: %v", id, err)
		}
	}
}

func TestDenied(t *testing.T) {
	l := &lakeDir{t: t}
	for i, code := range []string{"AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "InvalidRequestException", ""} {
		a := activity("event-"+code, "StartQueryExecution", "", weekStart.Add(time.Duration(i)*time.Hour))
		a.ErrorCode = code
		l.activity = append(l.activity, a)
	}
	d := open(t, l.write(), Options{})
	var got []any
	for _, r := range answer(t, d, "denied", week) {
		got = append(got, r["error_code"])
	}
	if d := cmp.Diff([]any{"Client.UnauthorizedOperation", "AccessDeniedException", "AccessDenied"}, got); d != "" {
		t.Error(d)
	}
	p := week
	p.Where = []Condition{{Column: "event_name", Value: "Get*"}}
	if rows := answer(t, d, "denied", p); len(rows) != 0 {
		t.Errorf("got %v", rows)
	}
	p.Where = []Condition{{Column: "state", Value: "FAILED"}}
	_, err := d.Report(context.Background(), "denied", p)
	mustFail(t, err, `unknown column "state"`)
}
