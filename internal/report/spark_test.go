package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

const bookID = "b0000000-0000-4000-8000-000000000001"

// sessionOf returns a session of a person that ended by itself: an hour, of
// which the last 20 minutes were idle, at 0.35 a DPU-hour.
func sessionOf(n int, at time.Time, who string) athenatrail.Session {
	s := athenatrail.Session{
		SessionID: fmt.Sprintf("%08x-5555-4000-8000-%012x", n*6007, n), EventID: fmt.Sprintf("%08x-bbbb-4000-8000-%012x", n*31337, n),
		AccountID: accountA, RegionName: "eu-west-1", Hour: int32(at.Hour()), WorkGroupName: "notebooks", NotebookID: bookID,
		StartedAt: at, EndedAt: at.Add(time.Hour), IdleSince: at.Add(40 * time.Minute), State: "TERMINATED", StateChangeReason: "Session idle timeout exceeded",
		IdleTimeoutMinutes: ptr(int32(20)), EngineVersion: "PySpark engine version 3", ExecutionRole: "arn:aws:iam::" + accountA + ":role/usual",
		DPUMillis: ptr(int64(7_200_000)), Cost: ptr(athenatrail.Money(700_000_000)), Currency: "USD", CostBasis: athenatrail.BasisList,
		IdleDPUMillis: ptr(int64(3_600_000)), IdleCost: ptr(athenatrail.Money(350_000_000)),
	}
	s.Person, s.PersonKind, s.PersonSource, s.PersonTrust, s.Team = who, athenatrail.PersonHuman, athenatrail.SourceSSOSession, athenatrail.TrustVouched, athenatrail.TeamUnassigned
	s.SourceIP, s.Tool = "192.0.2.1", "console"
	return s
}

// calculationOf returns the n-th calculation of a session, five minutes long.
func calculationOf(s *athenatrail.Session, n int, at time.Time) athenatrail.Calculation {
	c := athenatrail.Calculation{
		CalculationExecutionID: fmt.Sprintf("c%d-%s", n, s.SessionID), SessionID: s.SessionID, AccountID: s.AccountID, RegionName: s.RegionName,
		EventID: fmt.Sprintf("e%d-%s", n, s.SessionID), WorkGroupName: s.WorkGroupName, NotebookID: s.NotebookID, Description: fmt.Sprintf("cell %d", n),
		SubmittedAt: at, CompletedAt: at.Add(5 * time.Minute), State: "COMPLETED", Progress: "100%",
		DPUMillis: ptr(int64(1_200_000)), CostShare: ptr(athenatrail.Money(116_666_667)), Currency: s.Currency,
	}
	c.Who, c.PersonSource = s.Who, athenatrail.SourceNotebookSession
	c.SourceIP = "198.51.100.60"
	return c
}

// randomSessions returns sessions of the window and of the eight days before
// it, of every shape that a lake has, and their calculations.
func randomSessions(n int) (sessions []athenatrail.Session, calcs []athenatrail.Calculation) {
	r := rand.New(rand.NewPCG(3, 4))
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	for i := range n {
		at := weekEnd.Add(-time.Duration(r.Int64N(int64(15*24*time.Hour/time.Millisecond))) * time.Millisecond)
		s := sessionOf(i+1, at, pick("alice@example.com", "bob@example.com", "notebook-only"))
		s.AccountID, s.RegionName, s.Team = pick(accountA, accountB), pick("eu-west-1", "cn-north-1"), pick("unassigned", "data")
		s.WorkGroupName, s.Tool, s.NotebookID, s.RoleName = pick("notebooks", "primary"), pick("console", "", "dbt"), pick(bookID, "another"), pick("", "Shared")
		*s.DPUMillis += r.Int64N(1 << 30)
		s.Cost = ptr(athenatrail.Money(*s.DPUMillis * 97))
		if s.RegionName == "cn-north-1" {
			s.Currency = "CNY"
		}
		switch r.IntN(8) {
		case 0: // refused
			s.SessionID, s.Gap, s.ErrorCode, s.State = "", athenatrail.GapNotStarted, "AccessDeniedException", ""
			s.DPUMillis, s.Cost, s.Currency, s.CostBasis, s.EndedAt, s.IdleDPUMillis, s.IdleCost = nil, nil, "", "", time.Time{}, nil, nil
		case 1: // forgotten
			s.Gap, s.State, s.DPUMillis, s.Cost, s.Currency, s.CostBasis, s.EndedAt, s.IdleDPUMillis, s.IdleCost = athenatrail.GapExpired, "", nil, nil, "", "", time.Time{}, nil, nil
		case 2:
			s.State, s.Gap, s.EndedAt = "BUSY", athenatrail.GapPending, time.Time{}
		case 3:
			s.CostBasis, s.Cost, s.Currency, s.IdleCost = athenatrail.BasisUnpriced, nil, "", nil
		case 4:
			s.State, s.StateChangeReason = "FAILED", "no quota"
		case 5:
			s.NotebookID, s.EngineVersion, s.IdleDPUMillis, s.IdleCost = "", "Apache Spark version 3.5", nil, nil
		case 6:
			s.EventID, s.Gap, s.Person, s.PersonKind, s.PersonSource, s.PersonTrust = "", athenatrail.GapNoEvent, "unknown", athenatrail.PersonUnknown, athenatrail.SourceNone, ""
		}
		sessions = append(sessions, s)
		for k := range r.IntN(4) {
			if s.SessionID != "" && s.NotebookID != "" {
				calcs = append(calcs, calculationOf(&s, k, at.Add(time.Duration(k*10+1)*time.Minute)))
			}
		}
	}
	return sessions, calcs
}

// notebookCalls returns some calls about the sessions' notebooks.
func notebookCalls(sessions []athenatrail.Session) (list []athenatrail.Activity) {
	for i := range sessions {
		s := &sessions[i]
		for k, name := range []string{"UpdateNotebook", "ExportNotebook", "CreatePresignedNotebookUrl"} {
			a := activity(fmt.Sprintf("call-%d-%d", i, k), name, "", s.StartedAt.Add(time.Minute))
			a.AccountID, a.RegionName, a.SessionID, a.NotebookID, a.SourceIP = s.AccountID, s.RegionName, s.SessionID, s.NotebookID, fmt.Sprintf("192.0.2.%d", i%3)
			if k%2 == 1 && i%4 == 0 {
				a.ErrorCode = "AccessDeniedException"
			}
			list = append(list, a)
		}
	}
	return list
}

// Sessions add their money to what people spend, and nothing to what is counted
// of SQL; those that were refused add nothing.
func TestSessionsInSpend(t *testing.T) {
	oneCurrency := func(c *string) {
		if *c != "" {
			*c = "USD"
		}
	}
	l := &lakeDir{t: t, executions: randomExecutions(500)}
	l.sessions, _ = randomSessions(300)
	for i := range l.executions {
		oneCurrency(&l.executions[i].Currency)
	}
	for i := range l.sessions {
		oneCurrency(&l.sessions[i].Currency)
	}
	both := open(t, l.write(), Options{})
	sql := open(t, (&lakeDir{t: t, executions: l.executions}).write(), Options{})
	type sums struct {
		Sessions, DPU int64
		Known         bool
		Cost          athenatrail.Money
	}
	keys := map[string]func(*athenatrail.Session) string{
		"users":      func(s *athenatrail.Session) string { return s.Person },
		"teams":      func(s *athenatrail.Session) string { return s.Team },
		"tools":      func(s *athenatrail.Session) string { return s.Tool },
		"roles":      func(s *athenatrail.Session) string { return s.RoleName },
		"workgroups": func(s *athenatrail.Session) string { return s.WorkGroupName + s.AccountID + s.RegionName },
		"spend":      func(s *athenatrail.Session) string { return s.StartedAt.Format(time.DateOnly) },
		"usage":      func(s *athenatrail.Session) string { return s.State },
	}
	columns := map[string][]string{"users": {"person"}, "teams": {"team"}, "tools": {"tool"}, "roles": {"role_name"}, "workgroups": {"work_group_name", "account_id", "region_name"}, "spend": {"day"}, "usage": {"state"}}
	keyOf := func(r map[string]any, names []string) (key string) {
		for _, name := range names {
			switch v := r[name].(type) {
			case string:
				key += v
			case time.Time:
				key += v.Format(time.DateOnly)
			}
		}
		return key
	}
	for view, names := range columns {
		for _, rows := range []bool{false, true} {
			p := week
			p.Rows = rows
			if view == "usage" {
				p.By = []string{"state"}
			}
			want := map[string]*sums{}
			for i := range l.sessions {
				s := &l.sessions[i]
				if s.StartedAt.Before(p.From) || !s.StartedAt.Before(p.To) || s.Gap == athenatrail.GapNotStarted {
					continue
				}
				w := want[keys[view](s)]
				if w == nil {
					w = &sums{}
					want[keys[view](s)] = w
				}
				w.Sessions++
				if s.DPUMillis != nil {
					w.DPU, w.Known = w.DPU+*s.DPUMillis, true
				}
				if s.Cost != nil {
					w.Cost += *s.Cost
				}
			}
			before := map[string]map[string]any{}
			for _, r := range answer(t, sql, view, p) {
				before[keyOf(r, names)] = r
			}
			found := 0
			for _, r := range answer(t, both, view, p) {
				key := keyOf(r, names)
				w, alone := want[key], before[key]
				if w == nil {
					w = &sums{}
				} else {
					found++
				}
				var dpu any
				if w.Known {
					dpu = w.DPU
				}
				if d := cmp.Diff([]any{w.Sessions, dpu}, []any{r["sessions"], r["dpu_ms"]}); d != "" {
					t.Errorf("%s %q: %s", view, key, d)
				}
				cost := amount(t, r["cost"]).Int64()
				if alone != nil {
					cost -= amount(t, alone["cost"]).Int64()
					for _, name := range []string{"executions", "failed", "not_started", "data_scanned_bytes", "billed_bytes", "p95_ms", "reused_percent"} {
						if r[name] != alone[name] {
							t.Errorf("%s %q: %s is %v, and %v of SQL alone", view, key, name, r[name], alone[name])
						}
					}
				} else if r["executions"] != int64(0) {
					t.Errorf("%s %q: executions without SQL: %v", view, key, r)
				}
				if cost != int64(w.Cost) {
					t.Errorf("%s %q: the sessions cost %d, want %d", view, key, cost, w.Cost)
				}
			}
			if found != len(want) || found == 0 {
				t.Errorf("%s: %d groups with sessions, want %d", view, found, len(want))
			}
		}
	}
	// Views of SQL alone do not change.
	for _, view := range []string{"databases", "users-databases", "jobs", "queries", "failures"} {
		if d := cmp.Diff(answer(t, sql, view, week), answer(t, both, view, week)); d != "" {
			t.Errorf("%s: %s", view, d)
		}
	}
}

// What is not known of sessions is said in the overview as it is of executions.
func TestSessionsThatAreNotPriced(t *testing.T) {
	known, forgotten, unpriced, refused := sessionOf(1, weekStart, "alice"), sessionOf(2, weekStart, "alice"), sessionOf(3, weekStart, "bob"), sessionOf(4, weekStart, "carol")
	forgotten.Gap, forgotten.DPUMillis, forgotten.Cost, forgotten.Currency, forgotten.CostBasis = athenatrail.GapExpired, nil, nil, "", ""
	unpriced.Cost, unpriced.Currency, unpriced.CostBasis = nil, "", athenatrail.BasisUnpriced
	refused.Gap, refused.SessionID, refused.DPUMillis, refused.Cost, refused.Currency, refused.CostBasis = athenatrail.GapNotStarted, "", nil, nil, "", ""
	d := open(t, (&lakeDir{t: t, sessions: []athenatrail.Session{known, forgotten, unpriced, refused}}).write(), Options{})
	type row struct{ section, name, sessions, cost, coverage any }
	for _, rows := range []bool{false, true} {
		p := week
		p.Rows = rows
		var got []row
		for _, r := range answer(t, d, "overview", p) {
			if s := r["section"]; s != "days" && s != "attribution" {
				got = append(got, row{s, r["name"], r["sessions"], r["cost"], r["coverage_percent"]})
			}
		}
		want := []row{
			{"total", "everything", int64(3), json.Number("0.7"), 66.6667},
			{"people", "alice", int64(2), json.Number("0.7"), 50.0}, {"people", "bob", int64(1), nil, 100.0},
			{"teams", "unassigned", int64(3), json.Number("0.7"), 66.6667},
			{"gaps", "expired", int64(1), nil, 0.0},
			{"not_priced", "regions without a price", int64(1), nil, 100.0}, {"not_priced", "sessions that go on or are unknown", int64(1), nil, 0.0},
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
			t.Errorf("rows %t: %s", rows, d)
		}
	}
}

func TestNotebooks(t *testing.T) {
	at := weekStart.Add(10 * time.Hour)
	named := func(id, name string, when time.Time, params string) athenatrail.Activity {
		a := activity(id, name, "", when)
		a.NotebookID, a.RequestParameters = bookID, params
		return a
	}
	worked, ended, running, connect, empty, unsure := sessionOf(1, at, "alice"), sessionOf(2, at.Add(time.Hour), "bob"), sessionOf(3, at.Add(2*time.Hour), "carol"),
		sessionOf(4, at.Add(3*time.Hour), "dave"), sessionOf(5, at.Add(4*time.Hour), "erin"), sessionOf(6, at.Add(5*time.Hour), "frank")
	ended.EndedBy = "alice"
	running.EndedAt, running.State, running.Gap = time.Time{}, "IDLE", athenatrail.GapPending
	connect.NotebookID, connect.IdleDPUMillis, connect.IdleCost = "", nil, nil
	empty.NotebookID, empty.IdleSince = "untouched", time.Time{}
	l := &lakeDir{t: t, sessions: []athenatrail.Session{worked, ended, running, connect, empty, unsure}}
	long := calculationOf(&worked, 1, at.Add(10*time.Minute))
	long.CompletedAt = at.Add(35 * time.Minute)
	over := calculationOf(&worked, 2, at.Add(15*time.Minute)) // while the first runs
	last := calculationOf(&worked, 3, at.Add(35*time.Minute))
	last.State = "FAILED"
	lost := calculationOf(&unsure, 1, at.Add(5*time.Hour+time.Minute))
	lost.CompletedAt, lost.State, lost.Gap = time.Time{}, "", athenatrail.GapExpired
	cell := calculationOf(&running, 1, at.Add(2*time.Hour+35*time.Minute))
	l.calcs = []athenatrail.Calculation{long, over, last, lost, cell}
	hostile := "=cmd|' /C calc'!A0\x1b[31m<script>|`\u202e"
	escaped, _ := json.Marshal(hostile)
	l.activity = []athenatrail.Activity{
		named("name-1", "ImportNotebook", at.AddDate(0, 0, -3), `{"name":"draft","payload":"HIDDEN_FOR_SECURITY_REASONS"}`),
		named("name-2", "UpdateNotebookMetadata", at, `{"name":`+string(escaped)+`}`),
		named("name-3", "UpdateNotebookMetadata", at.Add(time.Minute), `{"name":"HIDDEN_FOR_SECURITY_REASONS"}`),
		named("name-4", "UpdateNotebookMetadata", at.Add(2*time.Minute), `{"name":`), // no JSON
	}
	refused := named("name-5", "UpdateNotebookMetadata", at.Add(3*time.Minute), `{"name":"mine now"}`)
	refused.ErrorCode = "AccessDeniedException"
	l.activity = append(l.activity, refused)
	d := open(t, l.write(), Options{})
	type row struct{ person, name, endedBy, took, idle, idleEnd, cells, failed, dpu, cost, idleCost any }
	p := week
	p.CompleteTo = at.Add(2*time.Hour + 50*time.Minute)
	var got []row
	for _, r := range answer(t, d, "notebooks", p) {
		got = append(got, row{r["person"], r["notebook_name"], r["ended_by"], r["took_ms"], r["idle_ms"], r["idle_end_ms"], r["calculations"], r["failed_calculations"], r["dpu_ms"], r["cost"], r["idle_cost"]})
	}
	minutes := func(n int64) any { return n * 60_000 }
	dpu, cost, idleCost := int64(7_200_000), json.Number("0.7"), json.Number("0.35")
	want := []row{
		{"frank", hostile, "(timeout)", minutes(60), nil, nil, int64(1), int64(0), dpu, cost, idleCost}, // when its cell ended is not known
		{"erin", nil, "(timeout)", minutes(60), minutes(60), minutes(60), int64(0), int64(0), dpu, cost, idleCost},
		{"dave", nil, "(timeout)", minutes(60), minutes(20), minutes(20), int64(0), int64(0), dpu, cost, nil},
		{"carol", hostile, nil, nil, nil, minutes(10), int64(1), int64(0), dpu, cost, idleCost}, // until the lake is complete
		{"bob", hostile, "alice", minutes(60), minutes(60), minutes(20), int64(0), int64(0), dpu, cost, idleCost},
		{"alice", hostile, "(timeout)", minutes(60), minutes(30), minutes(20), int64(3), int64(1), dpu, cost, idleCost},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
		t.Error(d)
	}
	// It ends by itself, however much later the lake is complete.
	p.CompleteTo, p.Where = weekEnd, []Condition{{Column: "person", Value: "carol"}}
	if rows := answer(t, d, "notebooks", p); len(rows) != 1 || rows[0]["idle_end_ms"] != minutes(20) {
		t.Errorf("got %v", rows)
	}
	r, err := d.Report(context.Background(), "notebooks", week)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range format.Formats {
		var b strings.Builder
		if err := format.Write(&b, r, f, format.Options{Color: true}); err != nil {
			t.Fatal(err)
		}
		dangerous := []string{"\u202e", "\x1b[31m"} // to a terminal; the data formats keep what the name is
		switch f {
		case format.CSV:
			dangerous = []string{",=cmd"}
		case format.JSON, format.JSONL:
			dangerous = []string{"\x1b"}
		case format.Markdown:
			dangerous = append(dangerous, "<script>")
		}
		for _, text := range dangerous {
			if strings.Contains(b.String(), text) || !strings.Contains(b.String(), "cmd") {
				t.Errorf("%s with %q: %s", f, text, b.String())
			}
		}
	}
	p.Where = []Condition{{Column: "notebook_name", Value: hostile}}
	if rows := answer(t, d, "notebooks", p); len(rows) != 4 {
		t.Errorf("%d rows by the notebook's name", len(rows))
	}
	rows := answer(t, d, "calculations", week)
	if len(rows) != 5 || rows[0]["person"] != "frank" || rows[0]["took_ms"] != nil || rows[4]["took_ms"] != minutes(25) || rows[4]["cost_share"] != json.Number("0.116666667") || rows[2]["state"] != "FAILED" {
		t.Errorf("calculations: %v", rows)
	}

	// The notebook is found by its names, and by its id.
	for _, said := range []string{bookID, bookID[:8], hostile, "draft"} {
		p := week
		p.Arg = said
		if rows := answer(t, d, "notebook-activity", p); len(rows) < 5 {
			t.Errorf("%q: %d rows", said, len(rows))
		}
	}
	for said, why := range map[string]string{"mine now": "unknown notebook", "b00": "at least 8 characters", "": "needs a NOTEBOOK", "' OR 1=1 --": "unknown notebook", "HIDDEN_FOR_SECURITY_REASONS": "unknown notebook"} {
		p := week
		p.Arg = said
		_, err := d.Report(context.Background(), "notebook-activity", p)
		if mustFail(t, err, why); !errors.Is(err, ErrUsage) {
			t.Errorf("%v is no usage error", err)
		}
	}
}

func TestNotebookActivity(t *testing.T) {
	at := weekStart.Add(10 * time.Hour)
	s := sessionOf(1, at, "alice")
	other := sessionOf(2, at, "bob")
	other.NotebookID = bookID[:20] + "-other"
	c := calculationOf(&s, 1, at.Add(5*time.Minute))
	l := &lakeDir{t: t, sessions: []athenatrail.Session{s, other}, calcs: []athenatrail.Calculation{c}}
	n := 0
	call := func(name string, minute int, session, book, calculation string) *athenatrail.Activity {
		n++
		a := activity(fmt.Sprintf("event-%02d", n), name, "", at.Add(time.Duration(minute)*time.Minute))
		a.SessionID, a.NotebookID, a.CalculationExecutionID = session, book, calculation
		l.activity = append(l.activity, a)
		return &l.activity[len(l.activity)-1]
	}
	call("ImportNotebook", -60, "", bookID, "").RequestParameters = `{"name":"churn"}`
	call("ImportNotebook", -50, "", other.NotebookID, "").RequestParameters = `{"name":"churn"}`
	call("StartSession", 0, s.SessionID, bookID, "").EventID = s.EventID
	call("UpdateNotebook", 4, s.SessionID, bookID, "")
	call("StartCalculationExecution", 5, s.SessionID, "", c.CalculationExecutionID)
	call("StopCalculationExecution", 6, "", "", c.CalculationExecutionID)
	call("GetSession", 7, s.SessionID, "", "")
	call("GetCalculationExecution", 7, "", "", c.CalculationExecutionID)
	call("CreatePresignedNotebookUrl", 8, s.SessionID, "", "")
	call("StartQueryExecution", 9, s.SessionID, "", "").QueryExecutionID = "query-1"
	call("StartSession", 9, other.SessionID, other.NotebookID, "")
	call("TerminateSession", 10, s.SessionID, "", "").ErrorCode = "AccessDeniedException"
	call("UpdateNotebookMetadata", 11, "", bookID, "").RequestParameters = `{"name":"churn"}`
	call("ExportNotebook", 12, "", bookID, "")
	call("DeleteNotebook", 90, "", bookID, "")
	d := open(t, l.write(), Options{})
	p := week
	p.Arg = bookID
	type row struct{ what, detail, session, err any }
	var got []row
	for _, r := range answer(t, d, "notebook-activity", p) {
		got = append(got, row{r["what"], r["detail"], r["session_id"], r["error_code"]})
	}
	id := any(s.SessionID)
	want := []row{
		{"imported", "churn", nil, nil}, {"session started", nil, id, nil}, {"saved", nil, id, nil}, {"cell run", "cell 1, COMPLETED", id, nil},
		{"cell stopped", "cell 1, COMPLETED", id, nil}, {"opened", nil, id, nil}, {"query started", "query-1", id, nil}, {"session ended", nil, id, "AccessDeniedException"},
		{"renamed", "churn", nil, nil}, {"exported", nil, nil, nil}, {"session ended", "Session idle timeout exceeded", id, nil}, {"deleted", nil, nil, nil},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
		t.Error(d)
	}
	p.Where = []Condition{{Column: "what", Value: "session*"}, {Column: "session_id", Value: s.SessionID}}
	if rows := answer(t, d, "notebook-activity", p); len(rows) != 3 {
		t.Errorf("%d rows", len(rows))
	}
	p = week
	for said, why := range map[string]string{"churn": `2 notebooks are called "churn"`, bookID[:10]: "2 notebooks have ids that begin with"} {
		p.Arg = said
		_, err := d.Report(context.Background(), "notebook-activity", p)
		if mustFail(t, err, why, bookID, other.NotebookID); strings.Contains(err.Error(), "\n") {
			t.Errorf("%v", err)
		}
	}
}
