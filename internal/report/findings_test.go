package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// A scene is what a lake holds of some people's notebooks.
type scene struct {
	lakeDir
	n, answers int
}

// call adds a call, by who from an address, some minutes into the window.
func (s *scene) call(name, who, ip string, minute int, set func(*athenatrail.Activity)) string {
	s.n++
	a := activity(fmt.Sprintf("event-%03d", s.n), name, "", weekStart.Add(time.Duration(minute)*time.Minute))
	a.Person, a.SourceIP, a.NotebookID = who, ip, bookID
	if set != nil {
		set(&a)
	}
	s.activity = append(s.activity, a)
	return a.EventID
}

// session adds a session that began so many minutes into the window.
func (s *scene) session(n int, who string, minute int) *athenatrail.Session {
	s.sessions = append(s.sessions, sessionOf(n, weekStart.Add(time.Duration(minute)*time.Minute), who))
	return &s.sessions[len(s.sessions)-1]
}

func of(session string) func(*athenatrail.Activity) {
	return func(a *athenatrail.Activity) { a.SessionID, a.NotebookID = session, "" }
}

// within makes a call one of the session's own code.
func within(session, agent string) func(*athenatrail.Activity) {
	return func(a *athenatrail.Activity) {
		a.SessionID, a.RoleSessionName, a.UserAgent = session, "AthenaExecutor-"+session, agent
	}
}

const kernel = "Boto3/1.24.84 Python/3.8.14 Linux/4.14.225-175.364.amzn2.aarch64 Botocore/1.27.84"

// Each rule finds what it is about, with its evidence, and not what looks like
// it.
func TestFindings(t *testing.T) {
	day := 24 * 60
	for name, c := range map[string]struct {
		rule, person string
		evidence     []string // the ids that must be named; none: nothing may be found
		build        func(*scene) []string
	}{
		"idle for an hour before its end": {rule: "idle_session", person: "alice", build: func(s *scene) []string {
			x := s.session(1, "alice", 0)
			s.calcs = append(s.calcs, calculationOf(x, 1, x.StartedAt))
			x.IdleSince, x.EndedAt = x.StartedAt.Add(5*time.Minute), x.StartedAt.Add(65*time.Minute)
			return []string{x.SessionID}
		}},
		"idle for less": {rule: "idle_session", build: func(s *scene) []string {
			x := s.session(1, "alice", 0)
			s.calcs = append(s.calcs, calculationOf(x, 1, x.StartedAt))
			x.IdleSince, x.EndedAt = x.StartedAt.Add(5*time.Minute), x.StartedAt.Add(65*time.Minute-time.Millisecond)
			return nil
		}},
		"never terminated": {rule: "idle_session", person: "alice", build: func(s *scene) []string {
			x := s.session(1, "alice", 0)
			x.EndedAt, x.State, x.Gap, x.IdleTimeoutMinutes = time.Time{}, "IDLE", athenatrail.GapPending, ptr(int32(480))
			return []string{x.SessionID}
		}},
		"at work for hours": {rule: "idle_session", build: func(s *scene) []string {
			x := s.session(1, "alice", 0)
			x.EndedAt, x.State, x.Gap, x.IdleTimeoutMinutes = time.Time{}, "BUSY", athenatrail.GapPending, ptr(int32(480))
			y := s.session(2, "alice", 0) // Athena does not tell when its cell ended
			y.EndedAt = y.StartedAt.Add(9 * time.Hour)
			lost := calculationOf(y, 1, y.StartedAt)
			lost.CompletedAt = time.Time{}
			s.calcs = append(s.calcs, lost)
			return nil
		}},
		"cells from elsewhere": {rule: "foreign_address", person: "alice", build: func(s *scene) []string {
			x := s.session(1, "alice", 0)
			s.call("ListNotebookMetadata", "alice", "192.0.2.77", -26*60, nil) // of too long ago
			return []string{s.call("StartCalculationExecution", "alice", "192.0.2.77", 10, of(x.SessionID)), s.call("StartCalculationExecution", "alice", "192.0.2.77", 11, of(x.SessionID))}
		}},
		"a notebook written by another": {rule: "foreign_address", person: "mallory", build: func(s *scene) []string {
			s.session(1, "alice", 0)
			return []string{s.call("UpdateNotebook", "mallory", "2001:db8::1", 10, nil)}
		}},
		"cells from where the person was, and from Athena": {rule: "foreign_address", build: func(s *scene) []string {
			x := s.session(1, "alice", 0)
			s.call("ListNotebookMetadata", "alice", "192.0.2.77", -60, nil)
			s.call("StartCalculationExecution", "alice", "192.0.2.77", 10, of(x.SessionID))
			s.call("StartCalculationExecution", "alice", "192.0.2.1", 11, of(x.SessionID))
			s.call("StartCalculationExecution", "alice", "198.51.100.60", 12, within(x.SessionID, kernel))
			s.call("UpdateNotebook", "alice", "athena.amazonaws.com", 13, nil)
			s.call("UpdateNotebook", "alice", "192.0.2.99", 61, nil) // the session is over
			s.call("StartCalculationExecution", "alice", "192.0.2.99", 14, func(a *athenatrail.Activity) { a.SessionID, a.ErrorCode = x.SessionID, "AccessDeniedException" })
			return nil
		}},
		"a URL of another's session": {rule: "presigned_url", person: "mallory", build: func(s *scene) []string {
			x := s.session(1, "alice", 0)
			s.session(2, "mallory", -120)
			return []string{s.call("CreatePresignedNotebookUrl", "mallory", "192.0.2.1", 10, of(x.SessionID))}
		}},
		"a URL without any session": {rule: "presigned_url", person: "mallory", build: func(s *scene) []string {
			s.session(1, "mallory", -25*60)
			return []string{s.call("CreatePresignedNotebookUrl", "mallory", "192.0.2.1", 10, of("a-session-of-nobody"))}
		}},
		"a URL of one's own session": {rule: "presigned_url", build: func(s *scene) []string {
			x := s.session(1, "alice", 0)
			s.call("CreatePresignedNotebookUrl", "alice", "192.0.2.1", 10, of(x.SessionID))
			s.call("CreatePresignedNotebookUrl", "alice", "192.0.2.1", 20, of("another-session")) // she has one of that day
			s.call("CreatePresignedNotebookUrl", "mallory", "192.0.2.1", 20, func(a *athenatrail.Activity) { a.SessionID, a.ErrorCode = x.SessionID, "AccessDeniedException" })
			return nil
		}},
		"an import that runs as another": {rule: "import_role", person: "bob", build: func(s *scene) []string {
			s.session(1, "carol", -day).NotebookID = "hers"
			x := s.session(2, "bob", day)
			x.ExecutionRole = "arn:aws:iam::111122223333:role/admin"
			return []string{s.call("ImportNotebook", "alice", "192.0.2.1", 0, nil), x.SessionID}
		}},
		"an import that runs in the work group's role, not the importer's": {rule: "import_role", person: "bob", build: func(s *scene) []string {
			s.session(1, "carol", -day).NotebookID = "hers"
			own := s.session(2, "alice", -day)
			own.NotebookID, own.ExecutionRole = "her other", "arn:aws:iam::111122223333:role/alice"
			x := s.session(3, "bob", day)
			return []string{s.call("ImportNotebook", "alice", "192.0.2.1", 0, nil), x.SessionID}
		}},
		"imports that run as usual, late, or without anything before": {rule: "import_role", build: func(s *scene) []string {
			own := s.session(1, "alice", -day)
			own.NotebookID = "her other"
			s.call("ImportNotebook", "alice", "192.0.2.1", -8*day, nil)
			s.session(2, "bob", 10)
			s.call("ImportNotebook", "alice", "192.0.2.1", 0, func(a *athenatrail.Activity) { a.NotebookID = "second" })
			again := s.session(3, "bob", 60)
			again.NotebookID = "second"
			s.call("ImportNotebook", "dave", "192.0.2.1", 0, func(a *athenatrail.Activity) { a.NotebookID = "third" })
			first := s.session(4, "dave", 90)
			first.NotebookID, first.WorkGroupName, first.ExecutionRole = "third", "new", "arn:aws:iam::111122223333:role/first"
			late := s.session(5, "bob", 10)
			late.ExecutionRole = "arn:aws:iam::111122223333:role/admin" // eight days after the import
			return nil
		}},
		"exported by another": {rule: "foreign_notebook", person: "mallory", build: func(s *scene) []string {
			made := s.call("CreateNotebook", "alice", "192.0.2.1", -40*day, nil)
			return []string{made, s.call("ExportNotebook", "mallory", "192.0.2.1", 0, nil), s.call("ExportNotebook", "mallory", "192.0.2.1", 1, nil)}
		}},
		"deleted by another": {rule: "foreign_notebook", person: "mallory", build: func(s *scene) []string {
			made := s.call("ImportNotebook", "alice", "192.0.2.1", 0, nil)
			return []string{made, s.call("DeleteNotebook", "mallory", "192.0.2.1", 5, nil)}
		}},
		"exported and deleted by the maker, or whose maker nobody knows": {rule: "foreign_notebook", build: func(s *scene) []string {
			s.call("CreateNotebook", "alice", "192.0.2.1", 0, nil)
			s.call("CreateNotebook", "mallory", "192.0.2.1", 0, func(a *athenatrail.Activity) {
				a.ErrorCode, a.EventTime = "AccessDeniedException", a.EventTime.Add(-time.Hour)
			})
			s.call("ExportNotebook", "alice", "192.0.2.1", 1, nil)
			s.call("DeleteNotebook", "mallory", "192.0.2.1", 2, func(a *athenatrail.Activity) { a.ErrorCode = "AccessDeniedException" })
			s.call("DeleteNotebook", "alice", "192.0.2.1", 3, nil)
			s.call("DeleteNotebook", "mallory", "192.0.2.1", 4, func(a *athenatrail.Activity) { a.NotebookID = "old" })
			return nil
		}},
		"five denied calls in an hour": {rule: "denied_calls", person: "mallory", build: func(s *scene) []string {
			var ids []string
			for i := range 5 {
				ids = append(ids, s.call([]string{"StartQueryExecution", "StartSession"}[i%2], "mallory", "192.0.2.1", i*15, func(a *athenatrail.Activity) { a.ErrorCode = "AccessDeniedException" }))
			}
			return ids
		}},
		"four, or five in more than an hour, or of several people": {rule: "denied_calls", build: func(s *scene) []string {
			for i := range 5 {
				denied := func(a *athenatrail.Activity) { a.ErrorCode = "AccessDenied" }
				s.call("StartQueryExecution", "alice", "192.0.2.1", i*16, denied)
				s.call("StartQueryExecution", fmt.Sprint("p", i), "192.0.2.1", i, denied)
				s.call("StartQueryExecution", "carol", "192.0.2.1", i, func(a *athenatrail.Activity) { a.ErrorCode = "InvalidRequestException" })
				if i > 0 {
					s.call("StartQueryExecution", "bob", "192.0.2.1", i, denied)
				}
			}
			return nil
		}},
		"an executor's credentials in a shell": {rule: "executor_outside", person: "alice", build: func(s *scene) []string {
			s.call("UpdateNotebook", "alice", "198.51.100.60", 1, within("session-1", kernel))
			return []string{s.call("ListNotebookMetadata", "alice", "192.0.2.99", 10, within("session-1", "aws-cli/2.31.5 md/awscrt#0.27.6 ua/2.1 os/linux"))}
		}},
		"an executor's credentials at an address": {rule: "executor_outside", person: "alice", build: func(s *scene) []string {
			s.call("UpdateNotebook", "alice", "athena.amazonaws.com", 1, within("session-1", kernel))
			s.call("StartCalculationExecution", "alice", "AWS Internal", 2, within("session-1", kernel))
			return []string{s.call("ListNotebookMetadata", "alice", "2001:db8::7", 10, within("session-1", kernel))}
		}},
		"an executor's own calls, and a person's": {rule: "executor_outside", build: func(s *scene) []string {
			s.call("UpdateNotebook", "alice", "198.51.100.60", 1, within("session-1", kernel))
			s.call("StartQueryExecution", "alice", "198.51.100.61", 2, within("session-1", kernel)) // another node's
			s.call("ListNotebookMetadata", "alice", "192.0.2.99", 3, func(a *athenatrail.Activity) { a.UserAgent = "aws-cli/2.31.5" })
			return nil
		}},
	} {
		s := &scene{lakeDir: lakeDir{t: t}}
		want := c.build(s)
		d := open(t, s.write(), Options{})
		p := week
		p.Where = []Condition{{Column: "rule", Value: c.rule}}
		rows := answer(t, d, "findings", p)
		if len(rows) == 0 && want == nil {
			continue
		}
		if len(rows) != 1 || want == nil {
			t.Errorf("%s: %d findings: %v", name, len(rows), rows)
			continue
		}
		r := rows[0]
		if d := cmp.Diff(strings.Join(want, ", "), r["evidence"]); d != "" || r["person"] != c.person || r["what"] == nil || r["threshold"] == "" || r["fix"] == "" {
			t.Errorf("%s: %s %v", name, d, r)
		}
		if c.rule == "idle_session" && r["saving"] != nil && r["cost"] == nil {
			t.Errorf("%s: %v", name, r)
		}
	}
}

// A finding is of the window in which it was seen, and its evidence is bounded.
func TestFindingsOfAWindow(t *testing.T) {
	s := &scene{lakeDir: lakeDir{t: t}}
	for i := range 25 {
		s.call("StartQueryExecution", "mallory\x1b[2J\n", "192.0.2.1", i, func(a *athenatrail.Activity) { a.ErrorCode, a.Team = "AccessDenied", []string{"one", "two"}[i%2] })
	}
	d := open(t, s.write(), Options{})
	rows := answer(t, d, "findings", week)
	if len(rows) != 1 || rows[0]["times"] != int64(25) || rows[0]["team"] != "(several)" || !rows[0]["seen_at"].(time.Time).Equal(weekStart.Add(4*time.Minute)) ||
		strings.Count(rows[0]["evidence"].(string), "event-") != maxEvidence {
		t.Fatalf("got %v", rows)
	}
	for minute, want := range map[int]int{4: 1, 5: 0} {
		if rows := answer(t, d, "findings", Params{From: weekStart.Add(time.Duration(minute) * time.Minute), To: weekEnd}); len(rows) != want {
			t.Errorf("from minute %d on: %d findings, want %d", minute, len(rows), want)
		}
	}
}

func TestRules(t *testing.T) {
	seen, gravest := map[string]bool{}, 0
	for _, r := range Rules() {
		weight := -1
		for i, s := range severities {
			if s == r.Severity {
				weight = i
			}
		}
		if seen[r.ID] || weight < gravest || r.Threshold == "" || r.Fix == "" {
			t.Errorf("rule %+v", r)
		}
		seen[r.ID], gravest = true, weight
	}
	files, err := viewFiles.ReadDir("view/findings")
	if err != nil || len(files) != len(seen) {
		t.Errorf("%d rules and %d files, %v", len(seen), len(files), err)
	}
}
