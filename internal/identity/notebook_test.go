package identity

import (
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
)

func TestNotebookSession(t *testing.T) {
	const (
		id      = "9cc1ebb2-aac5-b1ca-8247-000000000001"
		nobody  = "AWSAthenaSparkExecutionRole-om0yj71w5l service role vouched"
		unnamed = "and nothing names the person behind that"
	)
	morning, noon := clock(0, "09:00"), clock(0, "12:00")
	cell := callAt(roleCall("AWSAthenaSparkExecutionRole-om0yj71w5l", "AthenaExecutor-"+id), "ASIASPARK", noon)
	cell.EventName, cell.UserAgent = "StartCalculationExecution", "Boto3/1.24 Linux"
	for _, c := range []struct {
		name  string
		known *facts
		want  string
		why   string
		hops  int
	}{
		{"by Identity Center", new(facts).start(id, ssoCall("Rosa@Example.com"), morning), "rosa@example.com human notebook_session vouched", "called the StartSession of session " + id + " at 2026-05-04T09:00:00Z; that person is known by sso_session:", 1},
		{"days before", new(facts).start(id, ssoCall("rosa"), clock(-6, "09:00")), "rosa human notebook_session vouched", "2026-04-28", 1},
		{"by a user", new(facts).start(id, userCall("rosa"), morning), "rosa human notebook_session vouched", "iam_user", 1},
		{"by a session's name", new(facts).start(id, roleCall("analyst", "rosa"), morning), "rosa human notebook_session vouched", "session_name", 1},
		{"by a chain", new(facts).start(id, signed(etl(), "ASIAETL"), morning).issue("ASIAETL", signed(roleCall("hop", "botocore-session-1"), "ASIAHOP"), clock(0, "08:59")).issue("ASIAHOP", ssoCall("rosa"), clock(0, "08:58")),
			"rosa human notebook_session vouched", "role_chain: the credentials go back over 2 issues", 3},
		{"by another notebook", new(facts).start(id, roleCall("spark", "AthenaExecutor-s1"), morning).start("s1", userCall("rosa"), clock(0, "08:00")), "rosa human notebook_session vouched", "notebook_session", 2},
		{"by root", new(facts).start(id, caller(athenatrail.Identity{Type: "Root", AccountID: here}), morning), "root human notebook_session vouched", "root_user", 1},
		{"by an agent", new(facts).start(id, with(ssoCall("rosa"), func(r *athenatrail.Record) { r.EventType = "AwsMcpEvent" }), morning), "rosa agent notebook_session vouched", "sso_session", 1},

		{"unknown", new(facts), nobody, "the StartSession of session " + id + " is not in the lake", 0},
		{"by a role", new(facts).start(id, etl(), morning), nobody, "was called by session botocore-session-1700000000 of role etl, " + unnamed, 1},
		{"by a service", new(facts).start(id, caller(athenatrail.Identity{Type: "AWSService", InvokedBy: "datazone.amazonaws.com"}), morning), nobody, "AWS service datazone.amazonaws.com, " + unnamed, 1},
		{"by a shared user", new(facts).start(id, userCall("svc-orders"), morning), nobody, unnamed, 1},
		{"by a program of a provider's", new(facts).start(id, webCall("repo:example/data:ref:refs/heads/main", "token.actions.githubusercontent.com"), morning), nobody, unnamed, 1},
		{"by itself", new(facts).start(id, roleCall("spark", "AthenaExecutor-"+id), morning), nobody, "was called in that session itself", 1},
		{"by each other", new(facts).start(id, roleCall("spark", "AthenaExecutor-s1"), morning).start("s1", roleCall("spark", "AthenaExecutor-"+id), morning), nobody, unnamed, 10},
		{"later", new(facts).start(id, ssoCall("rosa"), clock(0, "12:01")), nobody, "was at 2026-05-04T12:01:00Z, after the call", 1},
		{"elsewhere", new(facts).start(id, with(ssoCall("rosa"), func(r *athenatrail.Record) { r.Identity.AccountID = there }), morning), nobody, "was in account 111122223333, not in that of the call", 1},
		{"a role that somebody called like it", new(facts).start(id, ssoCall("rosa"), morning).issue("ASIASPARK", caller(athenatrail.Identity{Type: "FederatedUser", ARN: "arn:aws:sts::123456789012:federated-user/mallory"}), morning),
			nobody, "not to Athena: the session is only called like a notebook's", 2},
		{"Athena's own", new(facts).start(id, ssoCall("rosa"), morning).issue("ASIASPARK", caller(athenatrail.Identity{Type: "AWSService", InvokedBy: "athena.amazonaws.com"}), morning), "rosa human notebook_session vouched", "sso_session", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := settings(t, nil)
			answers(t, c.name, cell, c.known, nil, s, c.want)
			got := step(t, cell, c.known, nil, s, athenatrail.SourceNotebookSession)
			if !strings.Contains(got.Why, c.why) {
				t.Errorf("why: %s\nwant a part: %s", got.Why, c.why)
			}
			if len(got.Evidence) != c.hops {
				t.Errorf("evidence: %+v", got.Evidence)
			}
		})
	}
}

// Whose calls a notebook's session's are, and whose they are not.
func TestNotebookSessionOfWhom(t *testing.T) {
	const id = "9cc1ebb2"
	known := new(facts).start(id, userCall("rosa"), clock(0, "09:00"))
	s := settings(t, nil)
	f := func(name string, r athenatrail.Record, want string) {
		t.Helper()
		answers(t, name, callAt(r, "ASIA", clock(0, "12:00")), known, nil, s, want)
	}
	cell := roleCall("any-role", "AthenaExecutor-"+id)
	f("any role", cell, "rosa human notebook_session vouched")
	f("SQL", with(cell, func(r *athenatrail.Record) { r.EventName = "StartQueryExecution" }), "rosa human notebook_session vouched")
	f("a source identity is nearer", with(cell, func(r *athenatrail.Record) { r.Identity.SourceIdentity = "ines" }), "ines human source_identity vouched")
	f("somebody else's call with the session's id", with(userCall("ines"), func(r *athenatrail.Record) { r.EventName, r.SessionID = "TerminateSession", id }), "ines human iam_user vouched")
	f("no id", roleCall("any-role", "AthenaExecutor-"), "any-role service role vouched")
	f("another case", roleCall("any-role", "athenaexecutor-"+id), "any-role service role vouched")

	// The fact's event id is told, which the record of an addendum lacks.
	_, evidence := answers(t, "evidence", callAt(cell, "ASIA", clock(0, "12:00")), known, nil, s, "rosa human notebook_session vouched")
	want := Evidence{"start-" + id, "StartSession", here, clock(0, "09:00"), "answered with session " + id}
	if len(evidence) != 1 || evidence[0] != want {
		t.Errorf("%+v", evidence)
	}
	if known.starts[id].Record.EventID == "start-"+id {
		t.Error("what is known was changed")
	}
}
