package report

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

func TestWhoOfSpark(t *testing.T) {
	at := weekStart.Add(time.Hour)
	s := sessionOf(1, at, "alice")
	s.MFA = ptr(true)
	c1, c2 := calculationOf(&s, 1, at.Add(time.Minute)), calculationOf(&s, 2, at.Add(10*time.Minute))
	refused := sessionOf(2, at, "bob")
	refused.SessionID, refused.Gap, refused.NotebookID = "", athenatrail.GapNotStarted, ""
	call := func(id, name, session, calculation string, minute int) athenatrail.Activity {
		a := activity(id, name, "", at.Add(time.Duration(minute)*time.Minute))
		a.SessionID, a.CalculationExecutionID = session, calculation
		return a
	}
	named := activity("event-named", "ImportNotebook", "", at)
	named.NotebookID, named.RequestParameters = bookID, `{"name":"churn"}`
	start, run := call(s.EventID, "StartSession", s.SessionID, "", 0), call(c1.EventID, "StartCalculationExecution", s.SessionID, c1.CalculationExecutionID, 1)
	end, denied := call("event-ended", "TerminateSession", s.SessionID, "", 60), call(refused.EventID, "StartSession", "", "", 0)
	lone := call("event-alone", "UpdateNotebook", "99999999-session-of-nobody", "", 5)
	query := call("event-query", "StartQueryExecution", s.SessionID, "", 7)
	query.QueryExecutionID = "12121212-query"
	poll := call("event-polls", "GetSessionStatus", s.SessionID, "", 3)
	l := &lakeDir{t: t, sessions: []athenatrail.Session{s, refused}, calcs: []athenatrail.Calculation{c2, c1}, activity: []athenatrail.Activity{end, run, start, named, denied, lone, query, poll}}
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
	session := []Session{{s, day, "churn"}}
	polls := []Poll{{"GetSessionStatus", "alice", 1, poll.EventTime, poll.EventTime}}
	whole := &Who{ID: s.SessionID, Kind: WhoSession, Sessions: session, Calculations: []Calculation{{c1, day}, {c2, day}}, Activity: []athenatrail.Activity{start, run, query, end}, Polls: polls}
	f(s.SessionID, whole)
	f(s.SessionID[:9], whole)
	f(s.EventID, whole)
	f("event-ended", whole)
	cell := &Who{ID: c1.CalculationExecutionID, Kind: WhoCalculation, Sessions: session, Calculations: []Calculation{{c1, day}}, Activity: []athenatrail.Activity{run}}
	f(c1.CalculationExecutionID, cell)
	f(c1.EventID, cell)
	f(refused.EventID, &Who{ID: refused.EventID, Kind: WhoEvent, Sessions: []Session{{refused, day, ""}}, Activity: []athenatrail.Activity{denied}})
	f("99999999", &Who{ID: lone.SessionID, Kind: WhoSession, Activity: []athenatrail.Activity{lone}})
	f("event-query", &Who{ID: query.QueryExecutionID, Kind: WhoExecution, Activity: []athenatrail.Activity{query}})
	if _, err := d.Who(context.Background(), "event-"); !errors.Is(err, ErrUsage) {
		t.Errorf("%v is no usage error", err)
	}
}
