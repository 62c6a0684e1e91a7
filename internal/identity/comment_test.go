package identity

import (
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
)

func TestQueryComment(t *testing.T) {
	redash := roleCall("bi-redash", "redash")
	shared := userCall("svc-metabase")
	note := func(tool, user string) *annotation.Note {
		return &annotation.Note{Tool: tool, User: user, Comment: "/* " + user + " */", Offset: 3}
	}
	s := directory(t,
		Entry{ID: "metabase:7", Email: "Otto@example.com", Team: "bi"},
		Entry{ID: "metabase:8", Name: "Paul", To: day(t, "2026-05-04")},
		Entry{ID: "metabase:8", Name: "Ines", From: day(t, "2026-05-05")},
		Entry{ID: "metabase:9", Team: "bi"},
		Entry{ID: "lightdash:6f3c9f0e-0000-4000-8000-000000000001", Name: "Uma"},
		Entry{ID: "looker:7", Email: "paul@example.com"},
		Entry{ID: "redash:bea", Email: "bea@example.com"},
		Entry{ID: "redash:Bot@example.com", Name: "Nightly"},
		Entry{ID: "session:7", Name: "not the tool's"},
	)
	const role = "bi-redash service role vouched"
	for _, c := range []struct {
		name string
		r    athenatrail.Record
		note *annotation.Note
		want string
		why  string
	}{
		{"an address", redash, note("redash", "Rosa@Example.com"), "rosa@example.com human query_comment asserted", "comment of redash at byte 3"},
		{"a name", redash, note("redash", "rosa"), "rosa human query_comment asserted", "comment of redash at byte 3"},
		{"a name in the directory", redash, note("redash", "bea"), "bea@example.com human query_comment asserted", "comment of redash at byte 3"},
		{"an address in the directory", redash, note("redash", "bot@Example.com"), "Nightly human query_comment asserted", "comment of redash at byte 3"},
		{"a shared user", shared, note("redash", "rosa@example.com"), "rosa@example.com human query_comment asserted", "comment of redash at byte 3"},
		{"a number, mapped", shared, note("metabase", "metabase:7"), "otto@example.com human query_comment asserted in bi", "comment of metabase at byte 3"},
		{"a bare number, mapped", shared, note("metabase", "7"), "otto@example.com human query_comment asserted in bi", "comment of metabase at byte 3"},
		{"a UUID, mapped", redash, note("lightdash", "lightdash:6f3c9f0e-0000-4000-8000-000000000001"), "Uma human query_comment asserted", "comment of lightdash at byte 3"},
		{"an unnamed tool's", redash, note("", "rosa"), "rosa human query_comment asserted", "comment of an unnamed tool at byte 3"},
		{"a function's", with(redash, func(r *athenatrail.Record) { r.UserAgent = "Boto3 exec-env/AWS_ECS_FARGATE" }), note("redash", "rosa"), "rosa human query_comment asserted", "comment of redash"},
		{"an agent's", with(redash, func(r *athenatrail.Record) { r.EventType = "AwsMcpEvent" }), note("redash", "rosa"), "rosa agent query_comment asserted", "comment of redash"},
		{"one's own tool by the CLI", with(redash, func(r *athenatrail.Record) { r.UserAgent = "aws-cli/2.15" }), note("ledgerbot", "rosa"), "rosa human query_comment asserted", "comment of ledgerbot at byte 3"},
		{"one's own tool by a state machine", with(redash, func(r *athenatrail.Record) { r.Identity.InvokedBy = "states.amazonaws.com" }), note("ledgerbot", "rosa"), "rosa human query_comment asserted", "comment of ledgerbot at byte 3"},

		{"none", redash, nil, role, "no comment of a tool, or is not known"},
		{"without a user", redash, note("dbt", ""), role, "the comment of dbt at byte 3 names nobody"},
		{"a number, not mapped", redash, note("metabase", "metabase:12"), role, "names user metabase:12, whom the directory does not map on 2026-05-04"},
		{"a number, not mapped any more", redash, note("metabase", "metabase:8"), role, "whom the directory does not map on 2026-05-04"},
		{"a number with a team only", redash, note("metabase", "metabase:9"), role, "does not map"},
		{"another tool's number", redash, note("looker", "metabase:7"), role, "does not map"},
		{"a UUID, not mapped", redash, note("lightdash", "6f3c9f0e-0000-4000-8000-000000000002"), role, "does not map"},
		{"an unnamed tool's number", redash, note("", ":7"), role, "does not map"},
		{"a number that is a session's", redash, note("redash", "7"), role, "does not map"},
		{"a key's", redash, note("redash", "<ApiKey: 12>"), role, "names user <ApiKey: 12>, whom the directory does not map"},
		{"a program's nobody", redash, note("redash", "<None>"), role, "names no person: <None>"},
		{"a placeholder", redash, note("redash", "unknown"), role, "names no person"},
		{"a tool's user", redash, note("redash", "svc-reports"), role, "names no person"},
		{"no name", redash, note("redash", "a\x1b[2Jb"), role, "is no name"},
		{"a long name", redash, note("redash", strings.Repeat("a", 321)), role, "is no name"},

		// Pasted and forged.
		{"a person's session", roleCall("analyst", "ines"), note("redash", "rosa"), "ines human session_name session", ""},
		{"Identity Center's", ssoCall("ines"), note("redash", "rosa"), "ines human sso_session vouched", ""},
		{"a person's user", userCall("ines"), note("redash", "rosa"), "ines human iam_user vouched", ""},
		{"at the console", with(redash, func(r *athenatrail.Record) { r.FromConsole = true }), note("redash", "rosa"), "bi-redash unknown role vouched", "a person's own console session"},
		{"at the console, before that was told", with(redash, func(r *athenatrail.Record) { r.UserAgent = "Mozilla/5.0 (X11)" }), note("redash", "rosa"), role, "a person's own console session"},
		{"at the old console", with(redash, func(r *athenatrail.Record) { r.Identity.InvokedBy = "signin.amazonaws.com" }), note("redash", "rosa"), role, "a person's own console session"},
		{"a shared user at the console", with(shared, func(r *athenatrail.Record) { r.UserAgent = "Mozilla/5.0 (X11)" }), note("redash", "rosa"), "svc-metabase service service vouched", "a person's own console session"},
		{"in CloudShell", with(redash, func(r *athenatrail.Record) { r.UserAgent = "aws-cli/2 exec-env/CloudShell" }), note("ledgerbot", "rosa"), role, "a person's own CloudShell"},
		{"in a notebook", roleCall("spark", "AthenaExecutor-s1"), note("redash", "rosa"), "spark service role vouched", "a person's own notebook"},
		{"by the CLI", with(redash, func(r *athenatrail.Record) { r.UserAgent = "aws-cli/2.15.0" }), note("redash", "rosa"), role, "came through the AWS CLI, which redash does not use"},
		{"by a state machine", with(redash, func(r *athenatrail.Record) { r.Identity.InvokedBy = "states.amazonaws.com" }), note("redash", "rosa"), role, "came through states.amazonaws.com, which redash does not use"},
		{"root", caller(athenatrail.Identity{Type: "Root", AccountID: here}), note("redash", "rosa"), "root human root_user vouched", "not for the root user of account 123456789012"},
		{"a federated user", caller(athenatrail.Identity{Type: "FederatedUser", ARN: "arn:aws:sts::123456789012:federated-user/ines"}), note("redash", "rosa"), "ines human federated_user vouched", "not for"},
		{"another account", caller(athenatrail.Identity{Type: "AWSAccount", PrincipalID: "AROAEXAMPLEOTHER0001:redash", AccountID: there}), note("redash", "rosa"), "redash service none ", "not for principal AROAEXAMPLEOTHER0001:redash of account 111122223333"},
		{"a service", caller(athenatrail.Identity{Type: "AWSService", InvokedBy: "quicksight.amazonaws.com"}), note("redash", "rosa"), "quicksight.amazonaws.com service service vouched", "not for AWS service"},
		{"a user without a name", caller(athenatrail.Identity{Type: "IAMUser", PrincipalID: "AIDAEXAMPLEUSER00001"}), note("redash", "rosa"), "AIDAEXAMPLEUSER00001 unknown none ", "does not name the user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := callAt(c.r, "ASIA", clock(0, "12:00"))
			answers(t, c.name, r, nil, c.note, s, c.want)
			if c.why == "" {
				return
			}
			got := step(t, r, nil, c.note, s, athenatrail.SourceQueryComment)
			if !strings.Contains(got.Why, c.why) || got.Answered && strings.TrimPrefix(got.Why, "comment of "+toolOf(c.note)+" at byte 3") != "" {
				t.Errorf("why: %s\nwant: %s", got.Why, c.why)
			}
			if c.note != nil && c.note.User != "" && (len(got.Evidence) == 0 || got.Evidence[0].EventID != "call-ASIA" || !strings.HasPrefix(got.Evidence[0].Says, "the SQL at byte 3: /*")) {
				t.Errorf("evidence: %+v", got.Evidence)
			}
		})
	}

	// A chain is nearer than a comment.
	known := new(facts).issue("ASIA", userCall("ines"), clock(0, "11:00"))
	answers(t, "a chain", callAt(redash, "ASIA", clock(0, "12:00")), known, note("redash", "rosa"), s, "ines human role_chain vouched")
}
