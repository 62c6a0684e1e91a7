package health

import (
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/ledger"
)

func TestAskedText(t *testing.T) {
	f := func(want string, events ...string) {
		t.Helper()
		asked := map[string]bool{}
		for _, e := range events {
			asked[e] = true
		}
		if got := askedText(asked); got != want {
			t.Errorf("%q: got %q, want %q", events, got, want)
		}
	}
	f("StartQueryExecution; so it is not known who took a role, who started a notebook's session, who stopped a query, the tables that Lake Formation saw (lookup_events: events)", "StartQueryExecution")
	f("AssumeRole, GetDataAccess, StartQueryExecution, StartSession; so it is not known who stopped a query (lookup_events: events)",
		"StartSession", "StartQueryExecution", "AssumeRole", "GetDataAccess")
	f("AssumeRole, GetDataAccess, StartSession, StopQueryExecution", "StartSession", "AssumeRole", "GetDataAccess", "StopQueryExecution")
}

func TestCompleteText(t *testing.T) {
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	f := func(want string, s ledger.Source) {
		t.Helper()
		if got := completeText(s); got != want {
			t.Errorf("%+v: got %q, want %q", s, got, want)
		}
	}
	f("complete to an unknown time", ledger.Source{Name: "s3://trail"})
	f("complete to 2026-05-04T12:00:00Z; 2 log files could not be read", ledger.Source{Name: "s3://trail", CompleteTo: at, Unread: 2})
	f("complete to 2026-05-04T12:00:00Z; not all since then could be asked", ledger.Source{Name: "lookup-events:111122223333/eu-west-1", CompleteTo: at, Unread: 1})
}
